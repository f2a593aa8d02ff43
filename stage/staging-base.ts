/** Chooses the node-local directories that staging uses. */
import { closeSync, constants, openSync, realpathSync, type Stats, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname } from 'node:path';
import { loadAddon } from '../native/load-addon.ts';
import { WallaError } from './errors.ts';
import { formatName } from './format-name.ts';

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
  const base = candidates.find((path) => whyUnusable(path) === undefined);
  if (base !== undefined) return base;
  const told = candidates.map((path) => `${formatName(path)} (${whyUnusable(path)})`);
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
  const base = [...candidates, '/tmp'].find(
    (path) => whyUnusable(path) === undefined && isExecutable(path),
  );
  if (base !== undefined) return base;
  throw new WallaError(
    'ERR_WALLA_STAGING_DIRECTORY',
    `the archive holds native addons, and every staging directory is mounted noexec: tried ${candidates.join(', ')}`,
  );
}

/** @returns undefined for a directory that can be used */
function whyUnusable(path: string): string | undefined {
  let stat: Stats;
  try {
    stat = statSync(path);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code;
  }
  if (!stat.isDirectory()) return 'no directory';
  const open = openToOthers(path);
  if (open !== undefined) return `others can replace what is in ${formatName(open)}`;
  const uid = process.geteuid?.() ?? 0;
  const bits =
    stat.uid === uid
      ? (stat.mode >> 6) & 7
      : process.getegid?.() === stat.gid
        ? (stat.mode >> 3) & 7
        : stat.mode & 7;
  return uid !== 0 && (bits & 3) !== 3 ? 'not to be written by this user' : undefined;
}

/**
 * The directory, of a path and those above it, in which other users can rename what is there: writable
 * for them and without the sticky bit. Native addons are loaded by path, so that whoever can put
 * another directory in place of ours would run code as us.
 */
function openToOthers(path: string): string | undefined {
  let at = realpathSync(path);
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
