/**
 * The read-only operations of `fs`, answered from the index. Each takes the arguments of the synchronous
 * form and returns its value, throws its error, or returns MISS: then the real function runs.
 */
import fs from 'node:fs';
import type { MainEntry } from '../main-entry.ts';
import type { NativeImage } from '../../native/addon.ts';
import { FLAG_FROZEN } from '../../stage/format/index-layout.ts';
import type { Answer, ShadowedPaths } from './shadowed-path.ts';
import { statsOf } from './stats.ts';
import { systemError } from './system-error.ts';

export const MISS = Symbol('miss');

export type Read = (path: unknown, options?: unknown) => unknown;

const S_IFMT = 0o170000;
const S_IFDIR = 0o040000;
const S_IFLNK = 0o120000;
const DT_DIRECTORY = 4;
const DT_FILE = 8;
const DT_LINK = 10;

type Encoding = string | null | undefined;

export function createReads(
  paths: ShadowedPaths,
  main: MainEntry,
  localPath: (entry: number) => string,
): Record<
  | 'stat'
  | 'lstat'
  | 'access'
  | 'exists'
  | 'readFile'
  | 'readdir'
  | 'readlink'
  | 'realpath'
  | 'open',
  Read
> {
  const { image } = paths;

  function kind(number: number): number {
    const out = new Float64Array(4);
    image.stat(number, out);
    return (out[0] ?? 0) & S_IFMT;
  }

  function known(answer: Answer, syscall: string, path: unknown): number | typeof MISS {
    if (answer === undefined) return MISS;
    if ('absent' in answer) throw systemError(answer.absent, syscall, shown(path));
    return answer.entry;
  }

  function stat(path: unknown, options: unknown, follow: boolean): unknown {
    const answer = paths.ask(path, follow);
    const { bigint, throwIfNoEntry } = (options ?? {}) as {
      bigint?: boolean;
      throwIfNoEntry?: boolean;
    };
    if (answer && 'absent' in answer && throwIfNoEntry === false)
      return answer.absent === 'ENOENT' ? undefined : MISS;
    const found = known(answer, follow ? 'stat' : 'lstat', path);
    return found === MISS ? MISS : statsOf(image, found, bigint === true);
  }

  return {
    stat: (path, options) => stat(path, options, true),
    lstat: (path, options) => stat(path, options, false),
    access(path, mode) {
      const found = known(paths.ask(path, true), 'access', path);
      // Whether one may write is a question for the real file.
      if (found === MISS || (typeof mode === 'number' && (mode & fs.constants.W_OK) !== 0))
        return MISS;
      return mode === undefined || mode === fs.constants.F_OK || mode === fs.constants.R_OK
        ? undefined
        : MISS;
    },
    exists(path) {
      const answer = paths.ask(path, true);
      return answer === undefined ? MISS : !('absent' in answer);
    },
    readFile(path, options) {
      if (!isPlain(options)) return MISS;
      const flag =
        typeof options === 'object' ? (options as { flag?: string } | null)?.flag : undefined;
      if (flag !== undefined && flag !== 'r') return MISS;
      const found = known(paths.ask(path, true), 'open', path);
      if (found === MISS) return MISS;
      if (kind(found) === S_IFDIR) return MISS; // an error, worded in its own way by each form
      return content(image, found, encodingOf(options));
    },
    readdir(path, options) {
      if (!isPlain(options)) return MISS;
      const found = known(paths.ask(path, true), 'scandir', path);
      if (found === MISS) return MISS;
      if (kind(found) !== S_IFDIR) return MISS;
      return paths.isListingWritten(path) ? MISS : listing(image, found, String(path), options);
    },
    readlink(path, options) {
      if (!isPlain(options)) return MISS;
      const found = known(paths.ask(path, false), 'readlink', path);
      if (found === MISS) return MISS;
      if (kind(found) !== S_IFLNK) throw systemError('EINVAL', 'readlink', shown(path));
      return encoded(image.linkText(found), encodingOf(options));
    },
    realpath(path, options) {
      if (!isPlain(options)) return MISS;
      if (path === main.alias && main.alias !== undefined) return main.alias;
      const real = typeof path === 'string' ? main.realOf(path) : undefined;
      if (real !== undefined) return encoded(real, encodingOf(options));
      const answer = paths.ask(path, true);
      // The synchronous form names the component that is missing, the others do not.
      if (answer === undefined || 'absent' in answer) return MISS;
      return encoded(image.path(answer.entry), encodingOf(options));
    },
    /** The path to open instead: a real file on this node with the same bytes. */
    open(path, flags) {
      if (flags !== undefined && flags !== null && flags !== 'r' && flags !== fs.constants.O_RDONLY)
        return MISS;
      const found = known(paths.ask(path, true), 'open', path);
      return found === MISS || kind(found) === S_IFDIR ? MISS : localPath(found);
    },
  };
}

/** A path as `fs` shows it in an error. */
function shown(path: unknown): string {
  if (path instanceof URL) return decodeURIComponent(path.pathname);
  return String(path);
}

/** Whether options are such that there is nothing to refuse and nothing to wait for. */
function isPlain(options: unknown): boolean {
  if (options === undefined || options === null) return true;
  if (typeof options !== 'string' && typeof options !== 'object') return false;
  const { signal, recursive } = options as { signal?: unknown; recursive?: unknown };
  const encoding = encodingOf(options);
  const isKnown = !encoding || encoding === 'buffer' || Buffer.isEncoding(encoding);
  return isKnown && signal === undefined && !recursive;
}

/** Also undefined for the private cache that Node.js's own loader passes to realpathSync. */
function encodingOf(options: unknown): Encoding {
  if (typeof options === 'string') return options;
  return (options as { encoding?: Encoding } | null | undefined)?.encoding;
}

function content(image: NativeImage, entry: number, encoding: Encoding): string | Buffer {
  if (encoding === 'utf8' || encoding === 'utf-8') return image.text(entry);
  const bytes = image.bytes(entry);
  return !encoding || encoding === 'buffer' ? bytes : bytes.toString(encoding as BufferEncoding);
}

function encoded(text: string, encoding: Encoding): string | Buffer {
  if (!encoding || encoding === 'utf8' || encoding === 'utf-8') return text;
  const bytes = Buffer.from(text);
  return encoding === 'buffer' ? bytes : bytes.toString(encoding as BufferEncoding);
}

function listing(image: NativeImage, entry: number, path: string, options: unknown): unknown {
  const { withFileTypes } = (typeof options === 'object' ? (options ?? {}) : {}) as {
    withFileTypes?: boolean;
  };
  const isFrozen = (image.flags(entry) & FLAG_FROZEN) !== 0;
  const found = !isFrozen ? undefined : image.listing(entry);
  if (!found) return MISS;
  const encoding = encodingOf(options);
  if (!withFileTypes) return found.names.map((name) => encoded(name, encoding));
  if (encoding && encoding !== 'utf8') return MISS;
  // Its constructor is not in the documentation, but `fs.Dirent` is public and the same in all versions.
  const Dirent = fs.Dirent as unknown as new (
    name: string,
    type: number,
    parentPath: string,
  ) => fs.Dirent;
  const { UV_DIRENT_FILE, UV_DIRENT_DIR, UV_DIRENT_LINK } = fs.constants as unknown as Record<
    string,
    number
  >;
  const types = new Map([
    [DT_FILE, UV_DIRENT_FILE],
    [DT_DIRECTORY, UV_DIRENT_DIR],
    [DT_LINK, UV_DIRENT_LINK],
  ]);
  if (found.types.some((type) => !types.has(type))) return MISS;
  return found.names.map(
    (name, index) => new Dirent(name, types.get(found.types[index] ?? 0) ?? 0, path),
  );
}
