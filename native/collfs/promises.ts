/**
 * The forms of `fs/promises`. What is collective takes place before the call returns, so its order is that
 * of the calls, and not that in which promises are awaited.
 */

import type * as fs from 'node:fs';

import { isReadFlag } from '../../loader/shadow/reads.ts';
import { openSync, readFileSync, type ReadFileOptions } from './files.ts';
import { opendirSync, readdirSync, type ReaddirOptions } from './listings.ts';
import {
  accessSync,
  type EncodingOptions,
  lstatSync,
  readlinkSync,
  realpathSync,
  type StatOptions,
  statSync,
} from './names.ts';
import { real } from './real-fs.ts';
import { top } from './stack.ts';

function promised<T>(call: () => T): Promise<T> {
  return new Promise((resolve) => {
    resolve(call());
  });
}

/**
 * As `fs.promises.open`; collective when the file is only to be read. Behind the handle is a real descriptor.
 * @throws root's error, the same on all ranks; CollfsError
 */
export async function open(
  path: fs.PathLike,
  flags: fs.OpenMode = 'r',
  mode?: fs.Mode,
): Promise<fs.promises.FileHandle> {
  if (!isReadFlag(flags) || !top()) return real.openHandle(path, flags, mode);
  const fd = openSync(path, flags);
  try {
    // Only this makes a FileHandle, with a position of its own.
    return await real.openHandle(`/proc/self/fd/${fd}`, 'r');
  } finally {
    real.closeSync(fd);
  }
}

/** As `readFileSync`; collective. */
export function readFile(
  path: fs.PathLike,
  options: BufferEncoding | { encoding: BufferEncoding; flag?: string },
): Promise<string>;
export function readFile(
  path: fs.PathLike,
  options?: { encoding?: null; flag?: string } | null,
): Promise<Buffer>;
export function readFile(path: fs.PathLike, options?: ReadFileOptions): Promise<string | Buffer>;
export function readFile(path: fs.PathLike, options?: ReadFileOptions): Promise<string | Buffer> {
  return promised(() => readFileSync(path, options));
}

/** As `statSync`; collective. */
export function stat(path: fs.PathLike, options?: { bigint?: false }): Promise<fs.Stats>;
export function stat(path: fs.PathLike, options: { bigint: true }): Promise<fs.BigIntStats>;
export function stat(path: fs.PathLike, options?: StatOptions): Promise<fs.Stats | fs.BigIntStats>;
export function stat(path: fs.PathLike, options?: StatOptions): Promise<unknown> {
  return promised(() => statSync(path, options));
}

/** As `lstatSync`; collective. */
export function lstat(path: fs.PathLike, options?: { bigint?: false }): Promise<fs.Stats>;
export function lstat(path: fs.PathLike, options: { bigint: true }): Promise<fs.BigIntStats>;
export function lstat(path: fs.PathLike, options?: StatOptions): Promise<fs.Stats | fs.BigIntStats>;
export function lstat(path: fs.PathLike, options?: StatOptions): Promise<unknown> {
  return promised(() => lstatSync(path, options));
}

/** As `accessSync`; collective. */
export function access(path: fs.PathLike, mode?: number): Promise<void> {
  return promised(() => accessSync(path, mode));
}

/** As `readlinkSync`; collective. */
export function readlink(path: fs.PathLike, options?: EncodingOptions): Promise<string | Buffer> {
  return promised(() => readlinkSync(path, options));
}

/** As `realpathSync.native`; collective. */
export function realpath(path: fs.PathLike, options?: EncodingOptions): Promise<string | Buffer> {
  return promised(() => realpathSync.native(path, options));
}

/** As `readdirSync`; collective. */
export function readdir(
  path: fs.PathLike,
  options: ReaddirOptions & { withFileTypes: true },
): Promise<fs.Dirent[]>;
export function readdir(path: fs.PathLike, options?: BufferEncoding | null): Promise<string[]>;
export function readdir(
  path: fs.PathLike,
  options?: EncodingOptions | ReaddirOptions,
): Promise<(string | Buffer | fs.Dirent)[]>;
export function readdir(
  path: fs.PathLike,
  options?: EncodingOptions | ReaddirOptions,
): Promise<(string | Buffer | fs.Dirent)[]> {
  return promised(() => readdirSync(path, options));
}

/** As `opendirSync`; collective. */
export function opendir(path: fs.PathLike, options?: fs.OpenDirOptions): Promise<fs.Dir> {
  return promised(() => opendirSync(path, options));
}
