/**
 * Where Node.js looks for packages. A program can change that for a module (`module.paths`), for all of them
 * (NODE_PATH and `Module._initPaths`), or put functions of its own in place of those that search: then the
 * table does not know, and Node.js has to search.
 */
import { dirname } from 'node:path';
import { Module } from './node-internals.ts';

const FOLDER = '/node_modules';

/** The functions that search: to be compared, not called. */
const functions: { readonly _findPath: unknown; readonly _resolveLookupPaths?: unknown } = Module;

export class PackageSearch {
  #findPath: unknown;
  #lookupPaths: unknown;
  #globalPaths: unknown;
  /** By a module's directory. */
  readonly #counts = new Map<string, number>();

  /** The search is the usual one as it is now: to be called once walla's own patches are in place. */
  remember(): void {
    this.#findPath = functions._findPath;
    this.#lookupPaths = functions._resolveLookupPaths;
    this.#globalPaths = Module.globalPaths;
  }

  /** Whether the request is looked for as if the program had changed nothing. */
  isUsual(request: string, parent: NodeJS.Module): boolean {
    return !this.isReplaced() && (!isBare(request) || this.#hasUsualPaths(parent));
  }

  /** Whether a function that searches is not the one that was there. */
  isReplaced(): boolean {
    return (
      functions._findPath !== this.#findPath || functions._resolveLookupPaths !== this.#lookupPaths
    );
  }

  /**
   * Compares the number of paths, the first and the last: this is asked at each `require`, and only a path that is
   * overwritten in the middle escapes. For other global paths Node.js makes another array, and it never looks into
   * the one that programs see.
   */
  #hasUsualPaths({ id, filename, path, paths }: NodeJS.Module): boolean {
    if (Module.globalPaths !== this.#globalPaths || !Array.isArray(paths)) return false;
    if (typeof path !== 'string') return false; // a parent of the program's own making
    return (
      paths.length === (this.#counts.get(path) ?? this.#count(path)) &&
      paths[paths.length - 1] === FOLDER &&
      isOwnFolder(paths[0] ?? '', path) &&
      // Node.js makes the path of the id, and the file's name is mostly that very string.
      (filename === id || dirname(filename) === path)
    );
  }

  /** How many directories for packages Node.js gives to a module in this directory. */
  #count(path: string): number {
    const names = path.split('/').filter((name) => name !== '' && name !== 'node_modules');
    this.#counts.set(path, names.length + 1);
    return names.length + 1;
  }
}

/** Whether the first directory for packages is that of the module's own directory. */
function isOwnFolder(first: string, path: string): boolean {
  const isBelow = first.length === path.length + FOLDER.length && first.startsWith(path);
  return isBelow || first === FOLDER || (first === path && first.endsWith(FOLDER));
}

/** Whether a request is for a package, and not for a path or one of the package's own "imports". */
function isBare(request: string): boolean {
  const first = request[0];
  return first !== '/' && first !== '#' && (first !== '.' || !/^\.\.?(?:\/|$)/.test(request));
}
