/** npm's lock file, versions 2 and 3: https://docs.npmjs.com/cli/configuring-npm/package-lock-json. Pure. */
import { WallaError } from '../../errors.ts';
import { isSafePath } from '../entry-path.ts';

/** One place of the tree that npm would make, with what the lock file says about it. */
export interface LockedPackage {
  /** Where it belongs, relative to the lock file's directory: `node_modules/a`, `packages/b`, `../c`. */
  location: string;
  /** In the registry: an alias is installed under another name. */
  name: string;
  version: string;
  /** URL or path of its tarball; for a link, the location it leads to. */
  resolved?: string;
  /** Subresource Integrity of the tarball. */
  integrity?: string;
  link: boolean;
  /** In the tarball of the package that it is below. */
  inBundle: boolean;
  optional: boolean;
  dev: boolean;
  devOptional: boolean;
  peer: boolean;
  hasInstallScript: boolean;
  os: string[];
  cpu: string[];
  libc: string[];
  dependencies: string[];
  optionalDependencies: string[];
  peerDependencies: string[];
}

/**
 * Everything that a lock file lists below its own project.
 * @param name path of the file, for messages
 * @throws WallaError ERR_WALLA_LOCKFILE
 */
export function readLockFile(text: string, name: string): LockedPackage[] {
  const refuse = (what: string, hint?: string) =>
    new WallaError('ERR_WALLA_LOCKFILE', `${name} ${what}`, hint === undefined ? {} : { hint });
  let lock: unknown;
  try {
    lock = JSON.parse(text);
  } catch (error) {
    throw refuse(`is not JSON: ${(error as Error).message}`);
  }
  const { lockfileVersion, packages } = isRecord(lock) ? lock : {};
  if (lockfileVersion !== 2 && lockfileVersion !== 3)
    throw refuse(
      `has lockfileVersion ${JSON.stringify(lockfileVersion ?? null)}, where 2 or 3 is needed`,
      'write it anew with npm 7 or later: npm install --package-lock-only',
    );
  if (!isRecord(packages)) throw refuse('lists no packages');
  return Object.entries(packages).flatMap(([location, fields]) => {
    if (location === '') return [];
    if (!isRecord(fields) || !isLocation(location))
      throw refuse(`has an entry that is none: ${JSON.stringify(location)}`);
    return [lockedPackage(location, fields)];
  });
}

/** Below the lock file's directory, or beside it (`../c`); in node_modules only strictly below. */
function isLocation(location: string): boolean {
  const below = location.replace(/^(?:\.\.\/)+/, '');
  return isSafePath(below) && !below.includes('\\');
}

function lockedPackage(location: string, fields: Record<string, unknown>): LockedPackage {
  const text = (key: string) => (typeof fields[key] === 'string' ? fields[key] : undefined);
  const resolved = text('resolved');
  const integrity = text('integrity');
  return {
    location,
    name: text('name') ?? location.slice(location.lastIndexOf('node_modules/') + 13),
    version: text('version') ?? '',
    ...(resolved !== undefined && { resolved }),
    ...(integrity !== undefined && { integrity }),
    link: fields['link'] === true,
    inBundle: fields['inBundle'] === true,
    optional: fields['optional'] === true,
    dev: fields['dev'] === true,
    devOptional: fields['devOptional'] === true,
    peer: fields['peer'] === true,
    hasInstallScript: fields['hasInstallScript'] === true,
    os: list(fields['os']),
    cpu: list(fields['cpu']),
    libc: list(fields['libc']),
    dependencies: names(fields['dependencies']),
    optionalDependencies: names(fields['optionalDependencies']),
    peerDependencies: names(fields['peerDependencies']),
  };
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function list(value: unknown): string[] {
  return (Array.isArray(value) ? value : [value]).filter((item) => typeof item === 'string');
}

function names(value: unknown): string[] {
  return isRecord(value) ? Object.keys(value) : [];
}
