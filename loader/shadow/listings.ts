/** Listings of frozen directories: `readdir`, also recursive, and `opendir`. */
import fs from 'node:fs';
import { join } from 'node:path';
import type { NativeImage } from '../../native/addon.ts';
import { listsInOrder, listsThroughLinks } from '../node-features.ts';
import { type Form, Instead, MISS, NOWHERE, type Read, shownPath } from './answer.ts';
import { dirent, DT_DIRECTORY, DT_LINK, uvType } from './directory-entry.ts';
import { encoded, encodingOf, isPlain, type Encoding } from './reads.ts';
import { kindOf, S_IFDIR, type ShadowedPaths } from './shadowed-path.ts';
import { systemError } from './system-error.ts';

interface Options {
  withFileTypes?: unknown;
  recursive?: unknown;
  bufferSize?: unknown;
}

/** One directory's content: names and, at the same positions, types. */
interface Listing {
  names: string[];
  types: Uint8Array;
}

interface Found {
  entry: number;
  listing: Listing;
}

export function createListings(paths: ShadowedPaths): Record<'readdir' | 'opendir', Read> {
  const { image } = paths;

  /** The listing of a directory that the archive answers for. */
  function listed(entry: number): Listing | undefined {
    const listing = paths.isFrozen(entry) ? image.listing(entry) : undefined;
    return listing?.types.every((type) => uvType(type) !== undefined) ? listing : undefined;
  }

  /** The directory, or why there is none. */
  function directory(path: unknown): Found | 'ENOENT' | 'ENOTDIR' | undefined {
    const answer = paths.ask(path, true);
    if (answer === undefined) return undefined;
    if ('absent' in answer) return answer.absent;
    const { entry } = answer;
    if (kindOf(image, entry) !== S_IFDIR) return 'ENOTDIR';
    const listing = paths.isListingWritten(path) ? undefined : listed(entry);
    return listing && { entry, listing };
  }

  return {
    readdir(path, options, form) {
      if (!isPlain(options)) return MISS;
      const { withFileTypes, recursive } = optionsOf(options);
      const encoding = encodingOf(options);
      if (recursive !== undefined && typeof recursive !== 'boolean') return MISS;
      if (recursive && !isWalkable(paths, path, encoding)) return MISS;
      const found = directory(path);
      if (!found) return MISS;
      if (typeof found === 'string') throw systemError(found, 'scandir', shownPath(path));
      const base = path instanceof URL ? (shownPath(path) ?? '') : path;
      if (recursive) {
        const visit = { image, listed, paths, base: base as string, form };
        return allBelow(visit, found.entry, Boolean(withFileTypes));
      }
      const { names, types } = found.listing;
      return names.map((name, index) =>
        withFileTypes
          ? dirent(encoded(name, encoding), types[index], base)
          : encoded(name, encoding),
      );
    },
    opendir(path, options) {
      if (!isPlain(options)) return MISS;
      const { recursive, bufferSize } = optionsOf(options);
      const encoding = encodingOf(options);
      if (recursive !== undefined && typeof recursive !== 'boolean') return MISS;
      if (recursive && !isWalkable(paths, path, encoding)) return MISS;
      if (bufferSize !== undefined && !(Number.isInteger(bufferSize) && Number(bufferSize) > 0))
        return MISS;
      const found = directory(path);
      // Not every version and form tells the path.
      if (typeof found === 'string') return new Instead(NOWHERE[found], path);
      if (!found || (recursive && paths.isChangedBelow(found.entry))) return MISS;
      const names: [name: string, type: number][] = [];
      if (!collect(found.entry, '')) return MISS;
      const shown = path instanceof URL ? shownPath(path) : path;
      return openDirectory(shown, names, { encoding, bufferSize }, recursive === true);

      function collect(entry: number, prefix: string): boolean {
        const listing = listed(entry);
        if (!listing) return false;
        return listing.names.every((name, index) => {
          const type = listing.types[index] ?? 0;
          names.push([prefix + name, uvType(type) ?? 0]);
          if (!recursive || type !== DT_DIRECTORY) return true;
          const child = image.find(`${image.path(entry)}/${name}`, false);
          return child >= 0 && collect(child, `${prefix}${name}/`);
        });
      }
    },
  };
}

/**
 * Node.js itself joins encoded names to paths on its way down, and resolves `..` in their text: where
 * that leads astray, or fails, it does.
 */
function isWalkable(paths: ShadowedPaths, path: unknown, encoding: Encoding): boolean {
  const isPath = typeof path === 'string' || path instanceof URL;
  if (!isPath || (encoding && encoding !== 'utf8' && encoding !== 'utf-8')) return false;
  return paths.absolute(path) === paths.lexical(path);
}

function optionsOf(options: unknown): Options {
  return typeof options === 'object' ? (options ?? {}) : {};
}

interface Visit {
  image: NativeImage;
  listed: (entry: number) => Listing | undefined;
  paths: ShadowedPaths;
  /** The directory as the program named it. */
  base: string;
  form: Form;
}

/**
 * What `recursive` gives, in the order of this version of Node.js, or MISS if anything below is not the
 * archive's. Links in a circle are followed as far as the system follows them.
 */
function allBelow(visit: Visit, top: number, withFileTypes: boolean): unknown {
  const { image, listed, paths, base, form } = visit;
  if (paths.isChangedBelow(top)) return MISS;
  const isLastFirst = form === 'promise' && !listsInOrder;
  const isThroughLinks = !withFileTypes || (listsThroughLinks && !isLastFirst);
  const results: unknown[] = [];
  const queue: [relative: string, entry: number, links: number][] = [['', top, 0]];
  for (let next = 0; queue.length > (isLastFirst ? 0 : next);) {
    const [relative, entry, links] = (isLastFirst ? queue.pop() : queue[next++]) ?? ['', -1, 0];
    const listing = listed(entry);
    if (!listing) return MISS;
    const parent = relative === '' ? base : join(base, relative);
    for (const [index, name] of listing.names.entries()) {
      const type = listing.types[index];
      const below = relative === '' ? name : `${relative}/${name}`;
      results.push(withFileTypes ? dirent(name, type, parent) : below);
      const isLink = type === DT_LINK;
      if (type !== DT_DIRECTORY && !(isLink && isThroughLinks)) continue;
      const child = image.find(`${image.path(entry)}/${name}`, true);
      if (isLink && child < 0) {
        // Not packed: it alone is asked of the real file system, and is seldom a directory.
        if (fs.statSync(join(parent, name), { throwIfNoEntry: false })?.isDirectory()) return MISS;
        continue;
      }
      if (child < 0) return MISS;
      if (kindOf(image, child) !== S_IFDIR) continue;
      if (isLink && (links >= MOST_LINKS || paths.isChangedBelow(child))) return MISS;
      queue.push([below, child, links + Number(isLink)]);
    }
  }
  return results;
}

/** Far below the system's 40: a circle of links is left to it. */
const MOST_LINKS = 8;

type ReadRequest = { oncomplete: (error: null, result?: unknown) => void } | undefined;

/** What Node.js's own `Dir` reads from: lib/internal/fs/dir.js. */
interface DirectoryHandle {
  read(encoding: Encoding, most: number, request: ReadRequest): unknown;
  close(request: ReadRequest): unknown;
}

/** A `Dir` over names that are known already. */
export function openDirectory(
  path: unknown,
  names: readonly [name: string, type: number][],
  options: { encoding: Encoding; bufferSize: unknown },
  isRecursive: boolean,
): fs.Dir {
  let position = 0;
  const reply = (request: ReadRequest, result?: unknown): unknown => {
    if (!request) return result;
    setImmediate(() => {
      request.oncomplete(null, result);
    });
    return undefined;
  };
  const handle: DirectoryHandle = {
    read(encoding, most, request) {
      const part = names.slice(position, position + most);
      position += part.length;
      const flat = part.flatMap(([name, type]) => [encoded(name, encoding), type]);
      return reply(request, part.length === 0 ? null : flat);
    },
    close: (request) => reply(request),
  };
  const { encoding, bufferSize } = options;
  const Dir = fs.Dir as unknown as new (
    handle: DirectoryHandle,
    path: unknown,
    options: unknown,
  ) => fs.Dir;
  const directory = new Dir(handle, path, {
    encoding: encoding ?? 'utf8',
    ...(bufferSize === undefined ? {} : { bufferSize }),
  });
  return isRecursive ? withPlacedEntries(directory, String(path)) : directory;
}

type Place = (entry: fs.Dirent | null) => fs.Dirent | null;

/** Gives the entries of a recursive `Dir`, whose names are paths so far, their names and parents. */
function withPlacedEntries(directory: fs.Dir, base: string): fs.Dir {
  const prototype = fs.Dir.prototype as unknown as {
    read(...args: unknown[]): unknown;
    readSync(): fs.Dirent | null;
    entries(): AsyncGenerator<fs.Dirent>;
  };
  const place: Place = (entry) => {
    const slash = entry?.name.lastIndexOf('/') ?? -1;
    if (!entry || slash < 0) return entry;
    const writable = entry as { name: string; parentPath: string; path?: string };
    const parent = join(base, entry.name.slice(0, slash));
    writable.name = entry.name.slice(slash + 1);
    writable.parentPath = parent;
    if (Object.hasOwn(entry, 'path')) writable.path = parent;
    return entry;
  };
  const read = (
    ...args: [callback?: (error: unknown, entry?: fs.Dirent | null) => void]
  ): unknown => {
    const [callback] = args;
    if (typeof callback !== 'function') {
      const answer = prototype.read.apply(directory, args);
      return answer instanceof Promise ? answer.then(place) : answer;
    }
    return prototype.read.call(directory, (error: unknown, entry?: fs.Dirent | null) => {
      if (error) callback(error);
      else callback(null, place(entry ?? null));
    });
  };
  const entries = async function* () {
    for await (const entry of prototype.entries.call(directory)) yield place(entry);
  };
  const define = (name: string | symbol, value: unknown): void => {
    Object.defineProperty(directory, name, { value, writable: true, configurable: true });
  };
  define('read', read);
  define('readSync', () => place(prototype.readSync.call(directory)));
  define('entries', entries);
  define(Symbol.asyncIterator, entries);
  return directory;
}
