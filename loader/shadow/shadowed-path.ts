/**
 * Which paths the shadow answers for: those the archive knows, until the program writes to them.
 */
import fs from 'node:fs';
import { resolve as resolvePath } from 'node:path';
import type { NativeImage } from '../../native/addon.ts';
import { FLAG_FROZEN } from '../../stage/format/index-layout.ts';
import { pathOf } from '../lookup.ts';
import type { Misses } from '../misses.ts';
import { SharedWrites } from './shared-writes.ts';

/** What the archive says of a path. */
export type Answer = { entry: number } | { absent: 'ENOENT' | 'ENOTDIR' } | undefined;

const ABSENT = -2;
const NOT_A_DIRECTORY = -3;

const S_IFMT = 0o170000;
export const S_IFDIR = 0o040000;
export const S_IFREG = 0o100000;
export const S_IFLNK = 0o120000;

/** Where programs keep what they can make again, in packages too. */
const CACHE = /\/\.cache(?:\/|$)/;

const SLASH = 0x2f;
const DOT = 0x2e;

const stat = new Float64Array(4);

/** The real one, whatever is patched later. */
const { native: realpathOf } = fs.realpathSync;

/** Mode of an entry, type bits included. */
export function modeOf(image: NativeImage, entry: number): number {
  image.stat(entry, stat);
  return stat[0] ?? 0;
}

/** Type bits of an entry's mode. */
export function kindOf(image: NativeImage, entry: number): number {
  return modeOf(image, entry) & S_IFMT;
}

export class ShadowedPaths {
  readonly image: NativeImage;
  /** Who is told of files that are read and not packed. */
  misses: Misses | undefined;
  #opensNext: string | undefined;
  /** Whether links are in the archive as links: with --preserve-symlinks they are what they lead to. */
  readonly holdsLinks: boolean;
  readonly #roots: readonly string[];
  readonly #shared = new SharedWrites();
  /** Paths the program has written to, with everything below them. */
  readonly #written = new Set<string>();
  /** Directories whose listing, or that of one below them, is not the archive's any more. */
  readonly #changedBelow = new Set<string>();

  constructor(image: NativeImage, roots: readonly string[], holdsLinks: boolean) {
    this.image = image;
    this.holdsLinks = holdsLinks;
    this.#roots = roots;
  }

  /** The absolute path an `fs` function was given, if it can be one of ours; never throws. */
  absolute(path: unknown): string | undefined {
    let text = textOf(path);
    if (text === undefined) return undefined;
    if (!isNormal(text)) text = goesUp(text) ? this.#above(text) : resolved(text);
    return this.#ours(text);
  }

  /** The same where Node.js resolves `..` in the text itself, before it asks the system. */
  lexical(path: unknown): string | undefined {
    const text = textOf(path);
    if (text === undefined) return undefined;
    return this.#ours(isNormal(text) ? text : resolved(text));
  }

  /** @param follow whether a link in the last component is followed */
  ask(path: unknown, follow: boolean): Answer {
    if (!follow && !this.holdsLinks) return undefined; // whether it is a link
    const absolute = this.absolute(path);
    if (absolute === undefined || this.isWritten(absolute)) return undefined;
    const isDirectory = asksForDirectory(path);
    const entry = this.image.find(absolute, follow || isDirectory);
    if (entry >= 0) {
      if (isDirectory && kindOf(this.image, entry) !== S_IFDIR) return { absent: 'ENOTDIR' };
      return this.#isRealWritten(absolute, entry) ? undefined : { entry };
    }
    if (entry !== ABSENT && entry !== NOT_A_DIRECTORY) return undefined;
    // An earlier run may have left it, and the archive is good all the same (native/src/freshness.h).
    if (CACHE.test(absolute)) return undefined;
    if (this.hasWrites) {
      const real = this.#realChild(absolute, absolute.slice(0, absolute.lastIndexOf('/')));
      if (real !== undefined && this.isWritten(real)) return undefined;
    }
    return { absent: entry === ABSENT ? 'ENOENT' : 'ENOTDIR' };
  }

  /**
   * A file is about to be read for which `ask` has no answer.
   * @param opensNext the real function may open it by `openSync`, which comes here too: one read, counted once
   */
  missed(path: unknown, opensNext: boolean): void {
    const { misses } = this;
    const absolute = misses && this.#placesOf(path)[0];
    if (absolute === undefined || this.isWritten(absolute)) return;
    const isCounted = !opensNext && absolute === this.#opensNext;
    this.#opensNext = undefined;
    if (isCounted) return;
    misses?.reading(absolute);
    if (!opensNext) return;
    this.#opensNext = absolute;
    queueMicrotask(() => (this.#opensNext = undefined));
  }

  /**
   * From now on this path, what is below it and the listing of its directory are the real ones.
   * @param follow whether a link in the last component is followed
   */
  write(path: unknown, follow = true): void {
    const known = this.#placesOf(path);
    const places = known.length > 0 ? known : this.#behindLinks(path, follow);
    for (const place of places) this.#writeAt(place);
  }

  /** Places of the archive that a path leads to by links that it does not hold: the system is asked. */
  #behindLinks(path: unknown, follow: boolean): string[] {
    const text = textOf(path);
    const absolute = text === undefined ? undefined : resolved(text);
    if (absolute === undefined) return [];
    const places = new Set<string | undefined>();
    if (follow) places.add(this.#ours(realOf(absolute)));
    // The name itself, which can be new, with directories above it that are new too.
    for (let end = absolute.lastIndexOf('/'); end > 0; end = absolute.lastIndexOf('/', end - 1)) {
      const directory = realOf(absolute.slice(0, end));
      if (directory === undefined) continue;
      places.add(this.#ours(directory + absolute.slice(end)));
      break;
    }
    return [...places].filter((place) => place !== undefined);
  }

  #writeAt(place: string): void {
    let absolute: string | undefined = place;
    if (absolute.endsWith('/')) absolute = absolute.slice(0, -1);
    while (absolute !== undefined) {
      const parent = absolute.slice(0, absolute.lastIndexOf('/'));
      this.#note(absolute);
      // The same file by the path that links lead to: a later read may come by either.
      const entry = this.image.find(absolute, true);
      const real = entry >= 0 ? this.image.path(entry) : this.#realChild(absolute, parent);
      if (real !== undefined && real !== absolute) this.#note(real);
      // A directory that is made on the way (`mkdir` with `recursive`) is new as well.
      absolute = this.image.find(parent, true) === ABSENT ? parent : undefined;
    }
  }

  /** Whether the program has written anything that the archive could know. */
  get hasWrites(): boolean {
    this.#shared.catchUp(this.#learn);
    return this.#written.size > 0;
  }

  /** Whether the directory's own listing can have changed by a write of this program. */
  isListingWritten(path: unknown): boolean {
    if (!this.hasWrites) return false;
    const absolute = this.absolute(path);
    if (absolute === undefined) return false;
    if (this.#written.has(absolute.replace(/\/$/, '') + '/')) return true;
    const entry = this.image.find(absolute, true);
    return entry >= 0 && this.#written.has(this.image.path(entry) + '/');
  }

  /** Whether the program has written to this directory, or to anything below it. */
  isChangedBelow(directory: number): boolean {
    return this.hasWrites && this.#changedBelow.has(this.image.path(directory));
  }

  /** @param path absolute and normalized */
  isWritten(path: string): boolean {
    if (!this.hasWrites) return false;
    for (let end = path.length; end > 0; end = path.lastIndexOf('/', end - 1))
      if (this.#written.has(path.slice(0, end))) return true;
    return false;
  }

  /** Whether the archive has the whole content of this directory, for as long as the job runs. */
  isFrozen(directory: number): boolean {
    return (this.image.flags(directory) & FLAG_FROZEN) !== 0;
  }

  #ours(text: string | undefined): string | undefined {
    return text !== undefined && this.#roots.some((root) => text.startsWith(root))
      ? text
      : undefined;
  }

  /**
   * Where a path with `..` leads: the system follows a link before it goes up, and goes up from
   * directories only.
   * @param directoryAt the real path of a directory, or undefined: then there is no answer
   */
  #above(
    text: string,
    directoryAt: (path: string) => string | undefined = this.#knownDirectory,
  ): string | undefined {
    const start = text.startsWith('/') ? '' : resolved('.');
    if (start === undefined) return undefined;
    let place = withoutSlash(start);
    let isReal = true;
    for (const name of text.split('/')) {
      if (name === '' || name === '.') continue;
      if (name !== '..') {
        place += '/' + name;
        isReal = false;
        continue;
      }
      const directory = isReal ? place : directoryAt(place);
      if (directory === undefined) return undefined;
      isReal = true;
      place = directory.slice(0, Math.max(directory.lastIndexOf('/'), 0));
    }
    return place === '' ? '/' : place;
  }

  readonly #knownDirectory = (path: string): string | undefined => {
    const answer = this.holdsLinks ? this.ask(path, true) : undefined;
    if (answer === undefined || 'absent' in answer) return undefined;
    return kindOf(this.image, answer.entry) === S_IFDIR ? this.image.path(answer.entry) : undefined;
  };

  /** The path that is meant, also where only the system can tell, and what `mkdir` may make on the way. */
  #placesOf(path: unknown): string[] {
    const known = this.absolute(path);
    if (known !== undefined) return [known];
    const text = textOf(path);
    if (text === undefined || !goesUp(text)) return [];
    const made: string[] = [];
    const place = this.#above(text, (directory) => {
      const real = realOf(directory);
      if (real === undefined) made.push(directory);
      return real ?? directory;
    });
    return [place, ...made].flatMap((one) => this.#ours(one) ?? []);
  }

  #note(absolute: string): void {
    this.#learn(absolute);
    this.#shared.note(absolute);
  }

  readonly #learn = (absolute: string): void => {
    const parent = absolute.slice(0, absolute.lastIndexOf('/'));
    this.#written.add(absolute);
    this.#written.add(parent + '/');
    for (let end = parent.length; end > 0; end = absolute.lastIndexOf('/', end - 1))
      this.#changedBelow.add(absolute.slice(0, end));
  };

  /** Where a name that the archive does not hold stands, if its directory was reached by a link. */
  #realChild(absolute: string, parent: string): string | undefined {
    const directory = this.image.find(parent, true);
    return directory < 0
      ? undefined
      : this.image.path(directory) + absolute.slice(absolute.lastIndexOf('/'));
  }

  /** A path through a link that has not been written itself may lead to what has. */
  #isRealWritten(absolute: string, entry: number): boolean {
    if (!this.hasWrites) return false;
    const real = this.image.path(entry);
    return real !== absolute && this.isWritten(real);
  }
}

/** A path as text; undefined where it can be none of the archive's. */
function textOf(path: unknown): string | undefined {
  let text: string | undefined;
  if (typeof path === 'string') text = path;
  else if (path instanceof URL) text = pathOf(path.href);
  else if (path instanceof Uint8Array) text = decoded(path);
  return text === undefined || text === '' || text.includes('\0') ? undefined : text;
}

/** Undefined where the bytes are not UTF-8: the archive's names are, so it is none of them. */
function decoded(bytes: Uint8Array): string | undefined {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString();
  return text.includes('\uFFFD') ? undefined : text;
}

/** An absolute path; undefined where the working directory, which it starts from, is there no more. */
function resolved(text: string): string | undefined {
  try {
    return resolvePath(text);
  } catch {
    return undefined;
  }
}

/** Where the system says a path leads, if it is there. */
function realOf(path: string): string | undefined {
  try {
    return realpathOf(path);
  } catch {
    return undefined;
  }
}

/** Whether a path is absolute and each component a name. */
function isNormal(text: string): boolean {
  return text.startsWith('/') && !/\/\.{0,2}(\/|$)/.test(text);
}

function goesUp(text: string): boolean {
  return /(?:^|\/)\.\.(?:\/|$)/.test(text);
}

function withoutSlash(path: string): string {
  return path.endsWith('/') ? path.slice(0, -1) : path;
}

/** A final slash or dot asks for a directory, at the end of a link too. */
function asksForDirectory(path: unknown): boolean {
  if (typeof path === 'string') return path.endsWith('/') || path.endsWith('/.');
  if (path instanceof URL) return path.pathname.endsWith('/');
  if (!(path instanceof Uint8Array)) return false;
  const last = path.at(-1);
  return last === SLASH || (last === DOT && path.at(-2) === SLASH);
}
