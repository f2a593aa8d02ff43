/** Opening and reading files. Descriptors are the kernel's own: everything in `fs` works on them. */

import * as fs from 'node:fs';

import { isReadFlag } from '../../loader/shadow/reads.ts';
import { perform } from './counters.ts';
import { systemError, translated } from './errors.ts';
import { rawPath, shown } from './paths.ts';
import { real } from './real-fs.ts';
import { loadedAddon } from './stack.ts';
import { statsOf } from './stats.ts';

export type ReadFileOptions =
  BufferEncoding | { encoding?: BufferEncoding | null; flag?: string } | null;

/** Flags of an open that only reads, as the kernel has them. */
function numberOf(flags: fs.OpenMode): number {
  return typeof flags === 'number' ? flags : fs.constants.O_RDONLY;
}

function sizeOf(fd: number): number {
  return real.fstatSync(fd).size;
}

/**
 * Opens a file as `fs.openSync`; collective when it is only to be read. On every rank the descriptor is
 * a real one: of a sealed copy in memory, one a node, with a position of its own. `fs.fstatSync` tells of
 * the copy, `fstatSync` here of the file. Opening for writing is left to `fs`, on this rank alone.
 * @throws the error of root, the same on all ranks; then no rank has a descriptor. CollfsError
 */
export function openSync(path: fs.PathLike, flags: fs.OpenMode = 'r', mode?: fs.Mode): number {
  if (!isReadFlag(flags)) return real.openSync(path, flags, mode);
  return perform(
    'open',
    (addon) => {
      const raw = rawPath(path);
      return translated('open', shown(raw), () => addon.open(raw, numberOf(flags)));
    },
    () => real.openSync(path, flags, mode),
    sizeOf,
  );
}

/**
 * Opens many files for reading in one round, 1,024 at a time; collective.
 * @returns for each path a descriptor, or the error that `openSync` would throw
 * @throws CollfsError: then nothing is open
 */
export function openManySync(
  paths: readonly fs.PathLike[],
  flags: fs.OpenMode = 'r',
): (number | NodeJS.ErrnoException)[] {
  return perform(
    'open_many',
    (addon) => {
      const raw = paths.map(rawPath);
      const [first] = raw;
      const fds = translated('open', first && shown(first), () =>
        addon.openMany(raw, numberOf(flags)),
      );
      return raw.map((path, i) => {
        const fd = fds[i] ?? -1;
        return fd >= 0 ? fd : systemError(fd, 'open', shown(path));
      });
    },
    () => paths.map((path) => resultOf(() => real.openSync(path, flags))),
    (results) =>
      results.reduce<number>((sum, each) => sum + (typeof each === 'number' ? sizeOf(each) : 0), 0),
  );
}

/** What a call returns or throws. */
export function resultOf<T>(call: () => T): T | NodeJS.ErrnoException {
  try {
    return call();
  } catch (error) {
    return error as NodeJS.ErrnoException;
  }
}

/**
 * Reads a whole file as `fs.readFileSync`; collective when the flag only reads. A descriptor is read by
 * this rank alone.
 * @throws root's error, the same on all ranks; CollfsError
 */
export function readFileSync(
  path: fs.PathOrFileDescriptor,
  options: BufferEncoding | { encoding: BufferEncoding; flag?: string },
): string;
export function readFileSync(
  path: fs.PathOrFileDescriptor,
  options?: { encoding?: null; flag?: string } | null,
): Buffer;
export function readFileSync(
  path: fs.PathOrFileDescriptor,
  options?: ReadFileOptions,
): string | Buffer;
export function readFileSync(
  path: fs.PathOrFileDescriptor,
  options?: ReadFileOptions,
): string | Buffer {
  const flag = typeof options === 'object' ? options?.flag : undefined;
  if (typeof path === 'number' || !isReadFlag(flag))
    return real.readFileSync(path, options as BufferEncoding);
  return perform(
    'open',
    () => {
      const fd = openSync(path);
      try {
        return real.readFileSync(fd, options as BufferEncoding);
      } finally {
        real.closeSync(fd);
      }
    },
    (): string | Buffer => real.readFileSync(path, options as BufferEncoding),
    (content) => Buffer.byteLength(content),
  );
}

/**
 * What root's file system said of a file when it was opened; local. Of a descriptor that does not come
 * from a collective open: what `fs.fstatSync` says.
 */
export function fstatSync(fd: number, options?: { bigint?: false }): fs.Stats;
export function fstatSync(fd: number, options: { bigint: true }): fs.BigIntStats;
export function fstatSync(fd: number, options?: { bigint?: boolean }): fs.Stats | fs.BigIntStats;
export function fstatSync(
  fd: number,
  { bigint = false }: { bigint?: boolean } = {},
): fs.Stats | fs.BigIntStats {
  const addon = loadedAddon();
  if (!addon || !isShared(fd)) return real.fstatSync(fd, { bigint });
  return statsOf(
    translated('fstat', undefined, () => addon.fstat(fd)),
    0,
    bigint,
  );
}

/** Whether a descriptor comes from a collective open; local. */
export function isShared(fd: number): boolean {
  return Number.isInteger(fd) && fd >= 0 && loadedAddon()?.isShared(fd) === true;
}
