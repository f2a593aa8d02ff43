/**
 * Puts the shadow in front of `fs` and `fs/promises`, in every calling form. Reads of packed paths are
 * answered from the image; writes reach the real file system and take their path out of the shadow.
 */
import fs from 'node:fs';
import type { LateBuiltins } from '../late-builtins.ts';
import type { MainEntry } from '../main-entry.ts';
import { listsAtOnce } from '../node-features.ts';
import { Instead, MISS, type Read } from './answer.ts';
import { installCopies } from './copies.ts';
import { ShadowedDescriptors } from './descriptors.ts';
import {
  attempt,
  type Callback,
  later,
  patchCallback,
  patchIfThere,
  patchPromise,
  patchSync,
} from './forms.ts';
import { createListings } from './listings.ts';
import { LocalFiles } from './local-files.ts';
import { createReads } from './reads.ts';
import type { ShadowedPaths } from './shadowed-path.ts';

/**
 * @param main the program, whose realpath Node.js asks for
 * @param files directory of this node below which copies of packed files stand
 * @param localPath makes the copy of a packed file there
 */
export function installFsReads(
  paths: ShadowedPaths,
  main: MainEntry,
  late: LateBuiltins,
  files: string,
  localPath: (entry: number) => string,
): void {
  const local = new LocalFiles(paths.image, files, localPath);
  const { open, exists, openAsBlob, ...answers } = createReads(paths, main, local);
  const reads = { ...answers, ...createListings(paths) };
  for (const [name, read] of Object.entries(reads)) {
    patchSync(fs, `${name}Sync`, read);
    patchCallback(fs, name, read, name !== 'access');
  }
  if (listsAtOnce) patchRecursiveReaddir(reads.readdir);
  patchSync(fs, 'existsSync', exists);
  patchSync(fs, 'openAsBlob', openAsBlob);
  patchExists(exists);
  patchSync(fs.realpathSync, 'native', reads.realpath, 'native');
  patchCallback(fs.realpath, 'native', reads.realpath, true, 'native');
  const descriptors = new ShadowedDescriptors(paths, local);
  const opening: Read = (path, flags, form, below) => {
    const answer = open(path, flags, form, below);
    if (answer !== MISS) descriptors.opened();
    return answer;
  };
  patchSync(fs, 'openSync', opening);
  patchOpen(opening);
  installCopies(paths, local, late);
  late.when('fs/promises', (promises) => {
    for (const [name, read] of Object.entries(reads)) patchPromise(promises, name, read);
    patchOpenPromise(promises, opening, descriptors);
  });
}

/** Where the callback form with `recursive` throws, and calls back before it returns. */
function patchRecursiveReaddir(readdir: Read): void {
  patchIfThere(
    fs,
    'readdir',
    (original) =>
      function patched(...args) {
        const [path, options, callback] = args;
        const { recursive } = (options ?? {}) as { recursive?: unknown };
        if (recursive !== true || typeof callback !== 'function')
          return original.apply(this, args as never);
        const answer = readdir(path, options, 'sync', patched);
        if (answer === MISS) return original.apply(this, args as never);
        (callback as Callback)(null, answer);
        return undefined;
      },
  );
}

/** `fs.exists` calls back with the answer alone. */
export function patchExists(exists: Read): void {
  patchIfThere(
    fs,
    'exists',
    (original) =>
      function patched(...args) {
        const [path, callback] = args;
        const answer =
          typeof callback === 'function' ? exists(path, undefined, 'callback', patched) : MISS;
        if (answer === MISS) return original.apply(this, args as never);
        setImmediate(callback as (found: unknown) => void, answer);
        return undefined;
      },
  );
}

/**
 * Opening a packed file for reading opens the copy on this node, so that every operation on the
 * descriptor, stream or FileHandle is a real one.
 */
function patchOpen(open: Read): void {
  patchIfThere(
    fs,
    'open',
    (original) =>
      function patched(...args) {
        const callback = args.at(-1);
        if (typeof callback !== 'function') return original.apply(this, args as never);
        const flags = typeof args[1] === 'function' ? undefined : args[1];
        const answer = attempt(() => open(args[0], flags, 'callback', patched));
        if ('error' in answer) {
          later(callback as Callback, answer);
          return undefined;
        }
        if (answer.value instanceof Instead) args[0] = answer.value.path;
        return original.apply(this, args as never);
      },
  );
}

function patchOpenPromise(promises: object, open: Read, descriptors: ShadowedDescriptors): void {
  patchIfThere(
    promises,
    'open',
    (original) =>
      async function patched(...args) {
        const answer = open(args[0], args[1], 'promise', patched);
        if (answer instanceof Instead) args[0] = answer.path;
        const handle = await original.apply(this, args as never);
        if (answer instanceof Instead) descriptors.patchHandle(handle as object);
        return handle;
      },
  );
}
