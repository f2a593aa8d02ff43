/**
 * The read-only operations of `fs`, answered from the index. Each takes the first two arguments of the
 * function and its form, and returns its value, throws its error, or says MISS or Instead.
 */
import fs from 'node:fs';
import type { MainEntry } from '../main-entry.ts';
import type { NativeImage } from '../../native/addon.ts';
import { Instead, MISS, NOWHERE, type Read, shownPath } from './answer.ts';
import type { LocalFiles } from './local-files.ts';
import {
  type Answer,
  kindOf,
  modeOf,
  S_IFDIR,
  S_IFLNK,
  type ShadowedPaths,
} from './shadowed-path.ts';
import { statsOf } from './stats.ts';
import { systemError } from './system-error.ts';

const SOME_DIRECTORY = '/';

export type Encoding = string | null | undefined;

export function createReads(
  paths: ShadowedPaths,
  main: MainEntry,
  local: LocalFiles,
): Record<
  | 'stat'
  | 'lstat'
  | 'access'
  | 'exists'
  | 'readFile'
  | 'readlink'
  | 'realpath'
  | 'open'
  | 'openAsBlob',
  Read
> {
  const { image } = paths;

  function known(answer: Answer, syscall: string, path: unknown): number | typeof MISS {
    if (answer === undefined) return MISS;
    if ('absent' in answer) throw systemError(answer.absent, syscall, shownPath(path));
    return answer.entry;
  }

  function missed(path: unknown, opensNext = false): typeof MISS {
    paths.missed(path, opensNext);
    return MISS;
  }

  function stat(path: unknown, options: unknown, isSync: boolean, follow: boolean): unknown {
    const answer = paths.ask(path, follow);
    const { bigint, throwIfNoEntry } = (options ?? {}) as {
      bigint?: boolean;
      throwIfNoEntry?: boolean;
    };
    if (answer && 'absent' in answer && throwIfNoEntry === false) {
      // Versions differ in what this option means in other forms and for other errors.
      return isSync && answer.absent === 'ENOENT'
        ? undefined
        : new Instead(NOWHERE[answer.absent], path);
    }
    const found = known(answer, follow ? 'stat' : 'lstat', path);
    if (found === MISS || hasNewListing(found, path)) return MISS;
    return statsOf(image, found, bigint === true);
  }

  /** Whether the program has written into this directory, which changes its times. */
  function hasNewListing(entry: number, path: unknown): boolean {
    return paths.hasWrites && kindOf(image, entry) === S_IFDIR && paths.isListingWritten(path);
  }

  return {
    stat: (path, options, form) => stat(path, options, form === 'sync', true),
    lstat: (path, options, form) => stat(path, options, form === 'sync', false),
    access(path, mode) {
      if (mode !== undefined && typeof mode !== 'number') return MISS;
      const found = known(paths.ask(path, true), 'access', path);
      if (found === MISS) return MISS;
      // Whether one may write is a question for the real file.
      if (mode !== undefined && (mode & ~(fs.constants.R_OK | fs.constants.X_OK)) !== 0)
        return MISS;
      if (mode === undefined || (mode & fs.constants.X_OK) === 0) return undefined;
      // The archive does not keep the owner, whom it takes to know what some may and others may not.
      const executable = modeOf(image, found) & 0o111;
      if (executable === 0) throw systemError('EACCES', 'access', shownPath(path));
      return executable === 0o111 ? undefined : MISS;
    },
    exists(path) {
      const answer = paths.ask(path, true);
      return answer === undefined ? MISS : !('absent' in answer);
    },
    readFile(path, options, form) {
      const { flag, signal } = (typeof options === 'object' ? (options ?? {}) : {}) as {
        flag?: unknown;
        signal?: unknown;
      };
      if (!isReadFlag(flag)) {
        paths.write(path);
        return MISS;
      }
      const answer = paths.ask(path, true);
      if (answer === undefined) return missed(path, form === 'sync');
      if (!isPlain(options) || signal !== undefined || flag === 'rs' || flag === 'sr')
        return 'absent' in answer
          ? new Instead(NOWHERE[answer.absent], path)
          : insteadOf(answer.entry, path);
      const found = known(answer, 'open', path);
      if (found === MISS || kindOf(image, found) === S_IFDIR) return insteadOf(found, path);
      return content(image, found, encodingOf(options));
    },
    readlink(path, options) {
      if (!isPlain(options)) return MISS;
      const found = known(paths.ask(path, false), 'readlink', path);
      if (found === MISS) return MISS;
      if (kindOf(image, found) !== S_IFLNK)
        throw systemError('EINVAL', 'readlink', shownPath(path));
      return encoded(image.linkText(found), encodingOf(options));
    },
    realpath(path, options, form) {
      if (!isPlain(options)) return MISS;
      if (path === main.alias && main.alias !== undefined) return main.alias;
      const real = typeof path === 'string' ? main.realOf(path) : undefined;
      if (real !== undefined) return encoded(real, encodingOf(options));
      if (!paths.holdsLinks) return MISS;
      const isWalk = form === 'sync' || form === 'callback';
      const asked = isWalk ? walked(paths, path) : path;
      const answer = paths.ask(asked, true);
      if (answer === undefined) return MISS;
      if (!('absent' in answer)) return encoded(image.path(answer.entry), encodingOf(options));
      if (!isWalk) throw systemError(answer.absent, 'realpath', shownPath(path));
      // Node.js walks by itself here, and names the component that is missing.
      const missing = firstMissing(paths, asked);
      if (missing === undefined) return MISS;
      throw systemError(missing.absent, 'lstat', missing.path);
    },
    /** What to open instead: a real file on this node with the same bytes. */
    open(path, flags) {
      if (!isReadFlag(flags)) {
        paths.write(path);
        return MISS;
      }
      const { O_NOFOLLOW } = fs.constants;
      const follow = typeof flags !== 'number' || (flags & O_NOFOLLOW) === 0;
      const found = known(paths.ask(path, follow), 'open', path);
      if (found === MISS) return missed(path);
      if (kindOf(image, found) === S_IFLNK) throw systemError('ELOOP', 'open', shownPath(path));
      // The descriptor of a directory tells its size and times: it is the real one's.
      return kindOf(image, found) === S_IFDIR ? MISS : new Instead(local.file(found), path);
    },
    openAsBlob(path) {
      const answer = paths.ask(path, true);
      if (answer === undefined) return missed(path);
      return 'absent' in answer
        ? new Instead(NOWHERE[answer.absent], path)
        : insteadOf(answer.entry, path);
    },
  };

  function insteadOf(found: number | typeof MISS, path: unknown): Instead | typeof MISS {
    if (found === MISS) return MISS;
    return new Instead(kindOf(image, found) === S_IFDIR ? SOME_DIRECTORY : local.file(found), path);
  }
}

/** Node.js's own walk does not mind what a final slash says, nor where a link before `..` leads. */
function walked(paths: ShadowedPaths, path: unknown): unknown {
  const isPlainText = typeof path === 'string' && !path.includes('/.') && !path.endsWith('/');
  return isPlainText ? path : paths.lexical(path);
}

/** The path, links followed, up to and with the first component that does not exist. */
function firstMissing(
  paths: ShadowedPaths,
  path: unknown,
): { absent: 'ENOENT' | 'ENOTDIR'; path: string } | undefined {
  const absolute = paths.absolute(path);
  if (absolute === undefined) return undefined;
  for (let end = absolute.length; end > 0; end = absolute.lastIndexOf('/', end - 1)) {
    const parent = paths.ask(absolute.slice(0, absolute.lastIndexOf('/', end - 1)), true);
    if (parent === undefined) return undefined;
    if ('absent' in parent) continue;
    const slash = absolute.lastIndexOf('/', end - 1);
    const name = absolute.slice(slash, end);
    const isDirectory = kindOf(paths.image, parent.entry) === S_IFDIR;
    const missing = paths.ask(absolute.slice(0, end), false);
    // A link that leads nowhere is there itself: what it leads to is missing, and Node.js says so.
    if (!missing || !('absent' in missing)) return undefined;
    return {
      absent: isDirectory ? 'ENOENT' : 'ENOTDIR',
      path: paths.image.path(parent.entry) + name,
    };
  }
  return undefined;
}

/** Whether a file is opened for reading and nothing else. */
export function isReadFlag(flags: unknown): boolean {
  if (flags === undefined || flags === null) return true;
  if (typeof flags === 'string') return flags === 'r' || flags === 'rs' || flags === 'sr';
  if (typeof flags !== 'number') return false;
  const { O_WRONLY, O_RDWR, O_CREAT, O_TRUNC, O_APPEND } = fs.constants;
  return (flags & (O_WRONLY | O_RDWR | O_CREAT | O_TRUNC | O_APPEND)) === 0;
}

/** Whether options are such that there is nothing to refuse. */
export function isPlain(options: unknown): boolean {
  if (options === undefined || options === null) return true;
  if (typeof options !== 'string' && typeof options !== 'object') return false;
  const encoding = encodingOf(options);
  return !encoding || encoding === 'buffer' || Buffer.isEncoding(encoding);
}

/** Also undefined for the private cache that Node.js's own loader passes to realpathSync. */
export function encodingOf(options: unknown): Encoding {
  if (typeof options === 'string') return options;
  return (options as { encoding?: Encoding } | null | undefined)?.encoding;
}

function content(image: NativeImage, entry: number, encoding: Encoding): string | Buffer {
  if (encoding === 'utf8' || encoding === 'utf-8') return image.text(entry);
  const bytes = image.bytes(entry);
  return !encoding || encoding === 'buffer' ? bytes : bytes.toString(encoding as BufferEncoding);
}

export function encoded(text: string, encoding: Encoding): string | Buffer {
  if (!encoding || encoding === 'utf8' || encoding === 'utf-8') return text;
  const bytes = Buffer.from(text);
  return encoding === 'buffer' ? bytes : bytes.toString(encoding as BufferEncoding);
}
