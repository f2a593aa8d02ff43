/**
 * What the archive answers by itself, for `walla/collfs`, which is bundled apart: what the archive has
 * needs no communication. Hangs where programs do not look.
 */
import nodeModule from 'node:module';
import type { Lookup } from './lookup.ts';
import { type AnyFunction, Module } from './node-internals.ts';
import { kindOf, S_IFDIR, type ShadowedPaths } from './shadow/shadowed-path.ts';

export interface Announced {
  /** Whether a function of `fs` of this name ('readFile', 'readdir', ...) is answered for this path. */
  reads(name: string, path: string): boolean;
  /** Whether a module is made from the archive, or an addon loaded from this node's copy. */
  loads(filename: string): boolean;
  /** Whether a `require` of this file is answered. */
  requires(request: string, parentPath: string): boolean;
  /** walla's handler of `.js` files, which knows nothing of other tools. */
  readonly loadScript: AnyFunction | undefined;
}

const KEY = Symbol.for('walla.archive');
const shared = nodeModule as { [KEY]?: Announced };

/** @param shadow whether reads through `fs` are answered at all */
export function announce(
  lookup: Lookup,
  paths: ShadowedPaths,
  shadow: boolean,
  otherHooks: { readonly present: boolean },
): void {
  const loadScript = Module._extensions['.js'] as AnyFunction | undefined;
  const value: Announced = {
    reads: (name, path) => shadow && answersRead(paths, name, path),
    loads: (filename) => lookup.file(filename) >= 0,
    requires: (request, parentPath) => lookup.require(request, parentPath) !== undefined,
    get loadScript() {
      return otherHooks.present ? undefined : loadScript;
    },
  };
  Object.defineProperty(shared, KEY, { value, configurable: true });
}

export function announced(): Announced | undefined {
  return shared[KEY];
}

function answersRead(paths: ShadowedPaths, name: string, path: string): boolean {
  const answer = paths.ask(path, name !== 'lstat' && name !== 'readlink');
  if (answer === undefined) return false;
  if ('absent' in answer || kindOf(paths.image, answer.entry) !== S_IFDIR) return true;
  if (name === 'readdir' || name === 'opendir')
    return paths.isFrozen(answer.entry) && !paths.isListingWritten(path);
  return name !== 'open' && name !== 'readFile';
}
