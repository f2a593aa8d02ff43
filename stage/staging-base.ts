/** Chooses the node-local directories that staging uses. */
import { closeSync, constants, openSync, realpathSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname } from 'node:path';
import { loadAddon } from '../native/load-addon.ts';
import { WallaError } from './errors.ts';

/** Directories in order of preference: memory first. */
export function baseCandidates(
  env: Record<string, string | undefined>,
  chosen: string | undefined,
): string[] {
  if (chosen !== undefined) return [chosen];
  const candidates = ['/dev/shm', env['XDG_RUNTIME_DIR'], env['TMPDIR'], tmpdir()];
  return [
    ...new Set(candidates.filter((path): path is string => path !== undefined && path !== '')),
  ];
}

/**
 * The first candidate that is a directory this process can write.
 * @throws WallaError ERR_WALLA_STAGING_DIRECTORY when there is none
 */
export function chooseBase(candidates: readonly string[]): string {
  const base = candidates.find(isUsable);
  if (base !== undefined) return base;
  const told = candidates.map((path) => {
    const open = openToOthers(path);
    return open === undefined ? path : `${path} (others can replace what is in ${open})`;
  });
  throw new WallaError(
    'ERR_WALLA_STAGING_DIRECTORY',
    `no node-local directory to stage into: tried ${told.join(', ')}`,
  );
}

/**
 * The first candidate from which programs may be mapped: native addons cannot be loaded from a file
 * system mounted noexec, as /dev/shm is in many containers.
 */
export function chooseExecutableBase(candidates: readonly string[]): string {
  const base = [...candidates, '/tmp'].find((path) => isUsable(path) && isExecutable(path));
  if (base !== undefined) return base;
  throw new WallaError(
    'ERR_WALLA_STAGING_DIRECTORY',
    `the archive holds native addons, and every staging directory is mounted noexec: tried ${candidates.join(', ')}`,
  );
}

function isUsable(path: string): boolean {
  const stat = statSync(path, { throwIfNoEntry: false });
  if (!stat?.isDirectory()) return false;
  const uid = process.geteuid?.() ?? 0;
  const bits =
    stat.uid === uid
      ? (stat.mode >> 6) & 7
      : process.getegid?.() === stat.gid
        ? (stat.mode >> 3) & 7
        : stat.mode & 7;
  return (uid === 0 || (bits & 3) === 3) && openToOthers(path) === undefined;
}

/**
 * The directory, of a path and those above it, in which other users can rename what is there: writable
 * for them and without the sticky bit. Native addons are loaded by path, so that whoever can put
 * another directory in place of ours would run code as us.
 */
function openToOthers(path: string): string | undefined {
  let at: string;
  try {
    at = realpathSync(path);
  } catch {
    return undefined; // not there: unusable for that reason
  }
  for (;;) {
    const { mode, gid } = statSync(at);
    // A group that is root's or one's own is as trusted as its members made it.
    const groupIsOurs = gid === 0 || gid === process.getegid?.();
    const writers = groupIsOurs ? 0o002 : 0o022;
    if ((mode & writers) !== 0 && (mode & 0o1000) === 0) return at;
    if (at === '/') return undefined;
    at = dirname(at);
  }
}

function isExecutable(path: string): boolean {
  const fd = openSync(path, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    return loadAddon().fileSystem(fd).executable;
  } finally {
    closeSync(fd);
  }
}
