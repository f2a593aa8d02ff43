/**
 * What the archive says of a specifier: pure lookups over the mapped index, the same for CommonJS
 * and for ES modules. A miss is `undefined`, and the caller then asks Node.js.
 */
import { dirname, extname, resolve as resolvePath } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import type { NativeImage } from '../native/addon.ts';
import {
  FORMATS,
  KIND_IMPORT,
  KIND_REQUIRE,
  OUTCOME_ABSENT,
  OUTCOME_BUILTIN,
  OUTCOME_FILE,
  type ModuleFormat,
} from '../stage/format/index-layout.ts';
import { absentError, notFoundError } from './absent.ts';
import { ALIAS_SUFFIX } from './main-entry.ts';
import type { Misses } from './misses.ts';
import type { AnyFunction } from './node-internals.ts';
import { moduleExtensions, OwnExtensions } from './own-extensions.ts';

/** A packed file that a specifier leads to. */
export interface PackedModule {
  /** Number of the file in the index. */
  entry: number;
  /** Absolute path, links followed, as Node.js would report it. */
  path: string;
  /** URL with the specifier's own query and fragment. */
  url: string;
  format: ModuleFormat | undefined;
  /** The table itself has the answer: once given, it is good whatever the program writes, as with Node.js. */
  isTabled: boolean;
}

/** What `find` answers for a name that cannot exist: its directory is complete and frozen. */
const FROZEN_ABSENT = -2;

/** The archive knows that there is no such file. */
export const ABSENT = Symbol('absent');

/** A request that the archive knows to lead nowhere; `absent` makes the error. */
export interface AbsentModule {
  absent: (parent: NodeJS.Module, below: AnyFunction) => Error;
}

export type Resolution = PackedModule | { absent: Error } | undefined;

const S_IFMT = 0o170000;
const S_IFREG = 0o100000;

/** Which paths are not to be answered from the archive any more. */
export interface Writes {
  readonly hasWrites: boolean;
  isWritten(path: string): boolean;
}

const NO_WRITES: Writes = { hasWrites: false, isWritten: () => false };

export class Lookup {
  readonly image: NativeImage;
  /** Names answered. */
  hits = 0;
  /** Who is told of names that Node.js has to answer. */
  misses: Misses | undefined;
  readonly #stat = new Float64Array(4);
  readonly #listings = new Map<number, Set<string>>();
  /** By entry, whether a `require` was answered with it. */
  readonly #required: Uint8Array;

  readonly #preservesSymlinks: boolean;

  readonly #writes: Writes;

  readonly #ownExtensions: OwnExtensions;

  /**
   * @param preservesSymlinks modules are known by the path of a link: Node.js resolves, the image serves
   * @param writes what the program has changed since: those files are the real ones
   */
  constructor(image: NativeImage, preservesSymlinks = false, writes: Writes = NO_WRITES) {
    this.image = image;
    this.#required = new Uint8Array(image.entryCount);
    this.#writes = writes;
    this.#preservesSymlinks = preservesSymlinks;
    this.#ownExtensions = new OwnExtensions(image, (path) => this.#knownAbsent(path));
  }

  /** Number of the packed regular file at this absolute path (links followed), or -1. */
  file(path: string): number {
    const entry = this.image.find(path, true);
    return entry >= 0 && this.#isFile(entry) && !this.#writes.isWritten(path) ? entry : -1;
  }

  /** Number of the packed regular file that a module of this path is made from, or -1. */
  realFile(path: string): number {
    if (this.#preservesSymlinks) return this.file(path);
    const entry = this.image.find(path, false);
    return entry >= 0 && this.#isFile(entry) && !this.#writes.isWritten(path) ? entry : -1;
  }

  /** Whether the program has written this file, or something above it. */
  isWritten(path: string): boolean {
    return this.#writes.hasWrites && this.#writes.isWritten(path);
  }

  format(entry: number): ModuleFormat | undefined {
    return FORMATS[this.image.format(entry)];
  }

  /**
   * Resolves a `require` from a packed file.
   * @returns the real path, an error to throw, or undefined for a miss
   */
  require(request: string, parentPath: string): string | AbsentModule | undefined {
    if (this.#preservesSymlinks) return undefined;
    const found = this.image.resolve(KIND_REQUIRE, parentPath, request);
    if (found >= 0) return this.#requiredPath(found);
    if (found < -1) {
      const [outcome, text, entry] = this.image.resolution(-found - 2);
      if (outcome === OUTCOME_FILE) return this.#requiredPath(entry);
      if (outcome === OUTCOME_BUILTIN) return undefined;
      // Somebody's own extension may well make something of the name.
      if (
        outcome === OUTCOME_ABSENT &&
        this.#isStillAbsent(request, parentPath) &&
        !this.#ownExtensions.mayFind(request, parentPath, text)
      ) {
        this.hits++;
        return {
          absent: (parent, below) =>
            absentError(text, this.#root(), parentPath, request, parent, below),
        };
      }
    }
    if (!isPathLike(request)) return undefined;
    const path = this.requirePath(resolvePath(dirname(parentPath), request), request);
    if (path !== undefined) this.hits++;
    return path === ABSENT
      ? { absent: (parent, below) => notFoundError(request, parent, below) }
      : path;
  }

  /**
   * Resolves a path to a module as CommonJS does for files: as it stands, then with each registered
   * extension. Answers only when the archive knows every name that Node.js would try first.
   * @returns the real path, ABSENT when no such file can exist, or undefined for a miss
   */
  requirePath(path: string, request: string): string | typeof ABSENT | undefined {
    if (this.#preservesSymlinks) return undefined;
    if (request.endsWith('/') || request.endsWith('/.') || request.endsWith('/..'))
      return undefined;
    if (this.#writes.hasWrites && this.#writes.isWritten(path)) return undefined;
    const exact = this.image.find(path, true);
    if (exact >= 0) return this.#isFile(exact) ? this.image.path(exact) : undefined;
    if (!this.#knownAbsent(path)) return undefined;
    for (const extension of moduleExtensions()) {
      if (this.#writes.isWritten(path + extension)) return undefined;
      const entry = this.image.find(path + extension, true);
      if (entry >= 0 && this.#isFile(entry)) return this.image.path(entry);
      if (!this.#knownAbsent(path + extension)) return undefined;
    }
    // Outside node_modules the program itself may make a directory or a .json file of this name.
    return this.image.find(path, true) === FROZEN_ABSENT ? ABSENT : undefined;
  }

  /**
   * Resolves an `import` (or the program's entry, when there is no parent).
   * @param parentURL URL of the importing module, undefined for the entry
   */
  import(specifier: string, parentURL: string | undefined): Resolution {
    if (this.#preservesSymlinks) return undefined;
    if (parentURL === undefined)
      return specifier.startsWith('file:') ? this.#entry(specifier) : undefined;
    const parentPath = pathOf(parentURL);
    if (parentPath === undefined) return undefined;
    const found = this.image.resolve(KIND_IMPORT, parentPath, specifier);
    if (found >= 0) return this.#packed(found, '', true);
    if (found < -1) {
      const [outcome, text, entry] = this.image.resolution(-found - 2);
      if (outcome === OUTCOME_FILE) return this.#packed(entry, text, true);
      if (outcome === OUTCOME_ABSENT && this.#isStillAbsent(specifier, parentPath)) {
        this.hits++;
        return { absent: absentError(text, this.#root(), parentPath, specifier) };
      }
      return undefined;
    }
    if (specifier.startsWith('file:')) return this.#fromURL(specifier);
    return isPathLike(specifier) ? this.#fromURL(new URL(specifier, parentURL).href) : undefined;
  }

  /**
   * Whether a name that led nowhere when packed cannot lead anywhere now: files outside of
   * node_modules may have been made since, and anything by this program.
   */
  #isStillAbsent(specifier: string, parentPath: string): boolean {
    if (this.#writes.hasWrites) return false;
    if (specifier.startsWith('#')) return parentPath.includes('/node_modules/');
    if (!isPathLike(specifier)) return true;
    return this.image.find(resolvePath(dirname(parentPath), specifier), true) < -1;
  }

  /** The program's entry, which may come under its alias (main-entry.ts). */
  #entry(url: string): PackedModule | undefined {
    const found = this.#fromURL(url);
    if (found || !url.endsWith(ALIAS_SUFFIX)) return found;
    const aliased = this.#fromURL(url.slice(0, -ALIAS_SUFFIX.length));
    return aliased?.format === 'module' || aliased?.format === 'module-typescript'
      ? aliased
      : undefined;
  }

  #fromURL(url: string): PackedModule | undefined {
    const path = pathOf(url);
    // Node.js refuses an encoded backslash, too, of what is imported.
    if (path === undefined || (path.includes('\\') && /^[^?#]*%5C/i.test(url))) return undefined;
    const entry = this.file(path);
    if (entry < 0) return undefined;
    return this.#packed(entry, suffixOf(url), false);
  }

  /** A file that the program has written may be gone, but Node.js too answers again as it answered once. */
  #requiredPath(entry: number): string | undefined {
    const path = this.image.path(entry);
    if (this.#required[entry] === 0 && this.isWritten(path)) return undefined;
    this.#required[entry] = 1;
    this.hits++;
    return path;
  }

  #packed(entry: number, suffix: string, isTabled: boolean): PackedModule | undefined {
    const path = this.image.path(entry);
    if (this.isWritten(path)) return undefined;
    this.hits++;
    return { entry, path, url: urlOf(path) + suffix, format: this.format(entry), isTabled };
  }

  #isFile(entry: number): boolean {
    this.image.stat(entry, this.#stat);
    return ((this.#stat[0] ?? 0) & S_IFMT) === S_IFREG;
  }

  /** Whether the directory's listing was complete when packed and lacks this name. */
  #knownAbsent(path: string): boolean {
    const parent = this.image.find(dirname(path), true);
    if (parent < 0) return parent === -2;
    let names = this.#listings.get(parent);
    if (names === undefined) {
      const listing = this.image.listing(parent);
      if (listing === undefined) return false;
      names = new Set(listing.names);
      this.#listings.set(parent, names);
    }
    return !names.has(path.slice(path.lastIndexOf('/') + 1));
  }

  #root(): string {
    return this.image.path(0);
  }
}

/** Whether a specifier names a file by path rather than a package. */
export function isPathLike(specifier: string): boolean {
  return /^(\/|\.\.?(\/|$))/.test(specifier);
}

/** Absolute path of a file: URL, without its query; undefined for any other URL. */
export function pathOf(url: string): string | undefined {
  if (!url.startsWith('file:///')) return undefined;
  if (!/[%?#]/.test(url)) return url.slice(7);
  try {
    return fileURLToPath(url);
  } catch {
    return undefined; // an encoded slash or NUL: Node.js refuses it with its own error
  }
}

/** Query and fragment. Of a mere `?` or `#` nothing is left, as in Node.js. */
function suffixOf(url: string): string {
  if (!/[?#]/.test(url)) return '';
  const { search, hash } = new URL(url);
  return search + hash;
}

/** file: URL of an absolute path. */
export function urlOf(path: string): string {
  // The characters that a URL keeps as they are; anything else takes the slow, exact way.
  return /^[\w./@+~-]*$/.test(path) ? 'file://' + path : pathToFileURL(path).href;
}

/** True for names that only a native addon has. */
export function isAddonPath(path: string): boolean {
  return extname(path) === '.node';
}
