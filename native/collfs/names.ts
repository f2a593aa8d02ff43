/** Questions about names. Root asks its file system; all ranks get the answer, or the error. */

import * as fs from 'node:fs';

import { NOWHERE } from '../../loader/shadow/answer.ts';
import { encoded, encodingOf } from '../../loader/shadow/reads.ts';
import { perform } from './counters.ts';
import { systemError, translated } from './errors.ts';
import { resultOf } from './files.ts';
import { rawPath, shown } from './paths.ts';
import { real } from './real-fs.ts';
import { onRoot } from './share.ts';
import { NUMBERS, statsOf } from './stats.ts';

export interface StatOptions {
  bigint?: boolean | undefined;
  /** False: undefined instead of an error where there is no such file. */
  throwIfNoEntry?: boolean | undefined;
}

export type EncodingOptions =
  BufferEncoding | 'buffer' | { encoding?: BufferEncoding | 'buffer' | null } | null;

function statAs(
  follow: boolean,
  path: fs.PathLike,
  options: StatOptions,
): fs.Stats | fs.BigIntStats | undefined {
  const byFs = follow ? real.statSync : real.lstatSync;
  const syscall = follow ? 'stat' : 'lstat';
  return perform(
    'statx',
    (addon) => {
      const raw = rawPath(path);
      try {
        const numbers = translated(syscall, shown(raw), () => addon.stat(raw, follow));
        return statsOf(numbers, 0, options.bigint === true);
      } catch (error) {
        const { code } = error as NodeJS.ErrnoException;
        const isAbsent = code === 'ENOENT' || code === 'ENOTDIR';
        if (options.throwIfNoEntry !== false || !isAbsent) throw error;
        // Versions of Node.js differ in which errors are none then.
        if (resultOf(() => byFs(NOWHERE[code], options)) === undefined) return undefined;
        throw error;
      }
    },
    () => byFs(path, options),
  );
}

/**
 * As `fs.statSync`: follows links; collective.
 * @throws root's error, the same on all ranks; CollfsError
 */
export function statSync(
  path: fs.PathLike,
  options?: { bigint?: false; throwIfNoEntry?: true },
): fs.Stats;
export function statSync(
  path: fs.PathLike,
  options: { bigint: true; throwIfNoEntry?: true },
): fs.BigIntStats;
export function statSync(
  path: fs.PathLike,
  options?: StatOptions,
): fs.Stats | fs.BigIntStats | undefined;
export function statSync(
  path: fs.PathLike,
  options: StatOptions = {},
): fs.Stats | fs.BigIntStats | undefined {
  return statAs(true, path, options);
}

/**
 * As `fs.lstatSync`: tells of a link itself; collective.
 * @throws root's error, the same on all ranks; CollfsError
 */
export function lstatSync(
  path: fs.PathLike,
  options?: { bigint?: false; throwIfNoEntry?: true },
): fs.Stats;
export function lstatSync(
  path: fs.PathLike,
  options: { bigint: true; throwIfNoEntry?: true },
): fs.BigIntStats;
export function lstatSync(
  path: fs.PathLike,
  options?: StatOptions,
): fs.Stats | fs.BigIntStats | undefined;
export function lstatSync(
  path: fs.PathLike,
  options: StatOptions = {},
): fs.Stats | fs.BigIntStats | undefined {
  return statAs(false, path, options);
}

function statMany<Stats extends fs.Stats | fs.BigIntStats>(
  follow: boolean,
  paths: readonly fs.PathLike[],
  bigint: boolean,
): (Stats | NodeJS.ErrnoException)[] {
  const byFs = follow ? real.statSync : real.lstatSync;
  const syscall = follow ? 'stat' : 'lstat';
  return perform(
    'stat_many',
    (addon) => {
      const raw = paths.map(rawPath);
      const [first] = raw;
      const { numbers, errors } = translated(syscall, first && shown(first), () =>
        addon.statMany(raw, follow),
      );
      return raw.map((path, i) => {
        const errno = errors[i] ?? 0;
        return errno === 0
          ? (statsOf(numbers, i * NUMBERS, bigint) as Stats)
          : systemError(errno, syscall, shown(path));
      });
    },
    () => paths.map((path) => resultOf(() => byFs(path, { bigint }) as Stats)),
  );
}

/**
 * Asks for many names in one round, 1,024 at a time, links followed; collective.
 * @returns for each path its Stats, or the error that `statSync` would throw
 * @throws CollfsError
 */
export function statManySync(
  paths: readonly fs.PathLike[],
  options?: { bigint?: false },
): (fs.Stats | NodeJS.ErrnoException)[];
export function statManySync(
  paths: readonly fs.PathLike[],
  options: { bigint: true },
): (fs.BigIntStats | NodeJS.ErrnoException)[];
export function statManySync(
  paths: readonly fs.PathLike[],
  { bigint = false }: { bigint?: boolean } = {},
): (fs.Stats | fs.BigIntStats | NodeJS.ErrnoException)[] {
  return statMany(true, paths, bigint);
}

/** As `statManySync`, of links themselves; collective. */
export function lstatManySync(
  paths: readonly fs.PathLike[],
  options?: { bigint?: false },
): (fs.Stats | NodeJS.ErrnoException)[];
export function lstatManySync(
  paths: readonly fs.PathLike[],
  options: { bigint: true },
): (fs.BigIntStats | NodeJS.ErrnoException)[];
export function lstatManySync(
  paths: readonly fs.PathLike[],
  { bigint = false }: { bigint?: boolean } = {},
): (fs.Stats | fs.BigIntStats | NodeJS.ErrnoException)[] {
  return statMany(false, paths, bigint);
}

/**
 * As `fs.accessSync`, for what root may; collective.
 * @throws root's error, the same on all ranks; CollfsError
 */
export function accessSync(path: fs.PathLike, mode: number = fs.constants.F_OK): void {
  perform(
    'access',
    (addon) => {
      const raw = rawPath(path);
      translated('access', shown(raw), () => {
        addon.access(raw, mode);
      });
    },
    () => real.accessSync(path, mode),
  );
}

/**
 * As `fs.existsSync`: whether the name leads to anything; collective.
 * @throws CollfsError, since there is no answer then
 */
export function existsSync(path: fs.PathLike): boolean {
  return perform(
    'access',
    (addon) => {
      let raw;
      try {
        raw = rawPath(path);
      } catch {
        return false; // as `fs` has it
      }
      const name = raw;
      const failed = resultOf(() =>
        translated('access', shown(name), () => {
          addon.access(name, fs.constants.F_OK);
        }),
      );
      if (failed?.code?.startsWith('ERR_COLLFS_') === true) throw failed;
      return failed === undefined;
    },
    () => real.existsSync(path),
  );
}

/**
 * As `fs.readlinkSync`: what a link says; collective.
 * @throws root's error, the same on all ranks; CollfsError
 */
export function readlinkSync(
  path: fs.PathLike,
  options?: BufferEncoding | { encoding?: BufferEncoding | null } | null,
): string;
export function readlinkSync(path: fs.PathLike, options: 'buffer' | { encoding: 'buffer' }): Buffer;
export function readlinkSync(path: fs.PathLike, options?: EncodingOptions): string | Buffer;
export function readlinkSync(path: fs.PathLike, options?: EncodingOptions): string | Buffer {
  return perform(
    'readlink',
    (addon) => {
      const raw = rawPath(path);
      const target = translated('readlink', shown(raw), () => addon.readlink(raw));
      return inEncoding(target, options);
    },
    () => real.readlinkSync(path, options as 'buffer'),
  );
}

/** Bytes of a name as the program wants them. */
export function inEncoding(name: Buffer, options: unknown): string | Buffer {
  return encodingOf(options) === 'buffer' ? name : encoded(name.toString(), encodingOf(options));
}

function realpath(
  byFs: typeof fs.realpathSync.native,
  path: fs.PathLike,
  options: EncodingOptions | undefined,
): string | Buffer {
  const raw = rawPath(path);
  const bytes = onRoot(`realpath ${shown(raw)}`, () => byFs(path, 'buffer'));
  return inEncoding(Buffer.from(bytes), options);
}

interface RealpathSync {
  (
    path: fs.PathLike,
    options?: BufferEncoding | { encoding?: BufferEncoding | null } | null,
  ): string;
  (path: fs.PathLike, options: 'buffer' | { encoding: 'buffer' }): Buffer;
  (path: fs.PathLike, options?: EncodingOptions): string | Buffer;
}

/**
 * As `fs.realpathSync` and `fs.realpathSync.native`: where a name leads, all links followed; collective.
 * @throws root's error, the same on all ranks; CollfsError
 */
export const realpathSync: RealpathSync & { native: RealpathSync } = Object.assign(
  ((path, options) => realpath(real.realpathSync, path, options)) as RealpathSync,
  {
    native: ((path, options) => realpath(real.realpathNative, path, options)) as RealpathSync,
  },
);
