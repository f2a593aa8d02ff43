/**
 * Puts the shadow in front of `fs` and `fs/promises`, in every calling form. Reads of packed paths are
 * answered from the image; writes reach the real file system and take their path out of the shadow.
 */
import fs from 'node:fs';
import { dirname } from 'node:path';
import type { NativeImage } from '../../native/addon.ts';
import type { MainEntry } from '../main-entry.ts';
import { type AnyFunction, patch } from '../node-internals.ts';
import { createReads, MISS, type Read } from './reads.ts';
import type { ShadowedPaths } from './shadowed-path.ts';

type Functions = Record<string, AnyFunction | undefined>;
type Callback = (error: unknown, value?: unknown) => void;

const sync = fs as unknown as Functions;
const promises = fs.promises as unknown as Functions;

/** Operations that change their first path argument, or both (`rename`, `copyFile`, `link`). */
const WRITES: Record<string, readonly number[]> = {
  appendFile: [0],
  chmod: [0],
  chown: [0],
  copyFile: [1],
  cp: [1],
  lchmod: [0],
  lchown: [0],
  link: [1],
  lutimes: [0],
  mkdir: [0],
  rename: [0, 1],
  rm: [0],
  rmdir: [0],
  symlink: [1],
  truncate: [0],
  unlink: [0],
  utimes: [0],
  writeFile: [0],
};

/**
 * @param main the program, whose realpath Node.js asks for
 * @param localPath where a packed file stands as a real file on this node
 */
export function installFsReads(
  paths: ShadowedPaths,
  main: MainEntry,
  localPath: (entry: number) => string,
): void {
  const copy = localCopies(paths.image, localPath);
  const { open, exists, ...reads } = createReads(paths, main, copy);
  for (const [name, read] of Object.entries(reads)) {
    patchSync(sync, `${name}Sync`, read);
    patchCallback(sync, name, read);
    patchPromise(promises, name, read);
  }
  patchSync(sync, 'existsSync', exists);
  patchExists(exists);
  patchNativeRealpath(reads.realpath);
  patchOpen(open);
  patchCopySource(paths, copy);
}

/** Takes what the program writes out of the archive's answers, for `fs` and for modules. */
export function installFsWrites(paths: ShadowedPaths): void {
  for (const [name, positions] of Object.entries(WRITES))
    patchWrite(name, (args) =>
      positions.map((position) => args[position]).forEach((path) => paths.write(path)),
    );
  patchWrite('open', ([path, flags]) => {
    const isRead = flags === undefined || flags === null || typeof flags === 'function';
    if (!isRead && flags !== 'r' && flags !== fs.constants.O_RDONLY) paths.write(path);
  });
  // The name is made up by the system: its directory as a whole leaves the shadow.
  for (const name of ['mkdtemp', 'mkdtempDisposable'])
    patchWrite(name, ([prefix]) =>
      paths.write(typeof prefix === 'string' ? dirname(prefix) : undefined),
    );
}

/** Gives the copy on this node the mode and time of the original, for `fstat` and `copyFile`. */
function localCopies(
  image: NativeImage,
  localPath: (entry: number) => string,
): (entry: number) => string {
  const { chmodSync, utimesSync } = fs;
  const ready = new Map<number, string>();
  const stat = new Float64Array(4);
  return (entry) => {
    const known = ready.get(entry);
    if (known !== undefined) return known;
    const path = localPath(entry);
    image.stat(entry, stat);
    const [mode = 0, , seconds = 0, nanoseconds = 0] = stat;
    const time = seconds + nanoseconds / 1e9;
    chmodSync(path, mode & 0o777);
    utimesSync(path, time, time);
    ready.set(entry, path);
    return path;
  };
}

type Table = Record<string, AnyFunction>;

function patchSync(target: Functions, name: string, read: Read): void {
  patch(
    target as Table,
    name,
    (original) =>
      function patched(...args) {
        let answer: unknown;
        try {
          answer = read(args[0], args[1]);
        } catch (error) {
          throw at(error, patched);
        }
        return answer === MISS ? original.apply(this, args as never) : answer;
      },
  );
}

/** The stack trace of an `fs` error starts where `fs` was called. */
function at(error: unknown, below: AnyFunction): unknown {
  if (error instanceof Error) Error.captureStackTrace(error, below);
  return error;
}

function patchCallback(target: Functions, name: string, read: Read): void {
  patch(
    target as Table,
    name,
    (original) =>
      function (...args) {
        const callback = args.at(-1);
        if (typeof callback !== 'function') return original.apply(this, args as never);
        const options = args.length > 2 ? args[1] : undefined;
        const answer = attempt(() => (isUnsure(options) ? MISS : read(args[0], options)));
        if ('value' in answer && answer.value === MISS) return original.apply(this, args as never);
        later(callback as Callback, answer, name !== 'access');
        return undefined;
      },
  );
}

type Attempt = { value: unknown } | { error: unknown };

function attempt(read: () => unknown): Attempt {
  try {
    return { value: read() };
  } catch (error) {
    // No JavaScript is on the stack when an input/output operation fails.
    if (error instanceof Error) error.stack = `${error.name}: ${error.message}`;
    return { error };
  }
}

/** Calls back as an input/output operation would: never before the caller has returned. */
function later(callback: Callback, answer: Attempt, hasValue = true): void {
  if ('error' in answer) setImmediate(callback, answer.error);
  else if (hasValue) setImmediate(callback, null, answer.value);
  else setImmediate(callback, null);
}

function patchPromise(target: Functions, name: string, read: Read): void {
  patch(
    target as Table,
    name,
    (original) =>
      async function (...args) {
        const answer = isUnsure(args[1]) ? MISS : read(args[0], args[1]);
        return answer === MISS ? await original.apply(this, args as never) : answer;
      },
  );
}

/** Node.js versions differ in whether `throwIfNoEntry` means something here. */
function isUnsure(options: unknown): boolean {
  return (options as { throwIfNoEntry?: unknown } | null | undefined)?.throwIfNoEntry === false;
}

/** `fs.exists` calls back with the answer alone. */
function patchExists(exists: Read): void {
  patch(
    fs,
    'exists',
    (original) =>
      function (...args) {
        const [path, callback] = args;
        const answer = typeof callback === 'function' ? exists(path) : MISS;
        if (answer === MISS) return original.apply(this, args as never);
        setImmediate(callback as (found: unknown) => void, answer);
        return undefined;
      },
  );
}

function patchNativeRealpath(realpath: Read): void {
  const syncTarget = fs.realpathSync as unknown as Functions;
  const callbackTarget = fs.realpath as unknown as Functions;
  patchSync(syncTarget, 'native', realpath);
  patchCallback(callbackTarget, 'native', realpath);
}

/**
 * Opening a packed file for reading opens the copy on this node, so that every operation on the
 * descriptor, stream or FileHandle is a real one.
 */
function patchOpen(open: Read): void {
  const redirect = (args: unknown[]): unknown[] => {
    const local = open(args[0], typeof args[1] === 'function' ? undefined : args[1]);
    return local === MISS ? args : [local, ...args.slice(1)];
  };
  patch(
    fs,
    'openSync',
    (original) =>
      function patched(...args) {
        let redirected: unknown[];
        try {
          redirected = redirect(args);
        } catch (error) {
          throw at(error, patched);
        }
        return original.apply(this, redirected as never);
      },
  );
  patch(
    fs,
    'open',
    (original) =>
      function (...args) {
        const callback = args.at(-1);
        if (typeof callback !== 'function') return original.apply(this, args as never);
        const answer = attempt(() => redirect(args));
        if ('value' in answer) return original.apply(this, answer.value as never);
        later(callback as Callback, answer);
        return undefined;
      },
  );
  patch(
    promises as Table,
    'open',
    (original) =>
      async function (...args) {
        return await original.apply(this, redirect(args) as never);
      },
  );
}

function patchWrite(name: string, note: (args: unknown[]) => void): void {
  const targets: [Functions, string][] = [
    [sync, name],
    [sync, `${name}Sync`],
    [promises, name],
  ];
  for (const [target, method] of targets) {
    if (typeof target[method] !== 'function') continue;
    patch(
      target as Table,
      method,
      (original) =>
        function (...args) {
          note(args);
          return original.apply(this, args as never);
        },
    );
  }
}

/** Copying a packed file reads the copy on this node; what fails there is left to the real file. */
function patchCopySource(paths: ShadowedPaths, localPath: (entry: number) => string): void {
  const { image } = paths;
  const redirect = (args: unknown[]): unknown[] | undefined => {
    const answer = paths.ask(args[0], true);
    if (answer === undefined || 'absent' in answer || image.listing(answer.entry)) return undefined;
    return [localPath(answer.entry), ...args.slice(1)];
  };
  patch(
    fs as unknown as Table,
    'copyFileSync',
    (original) =>
      function (...args) {
        const redirected = redirect(args);
        if (redirected) {
          try {
            return original.apply(this, redirected as never);
          } catch {
            // The same again, for the error to name the path that was given.
          }
        }
        return original.apply(this, args as never);
      },
  );
  patch(
    fs as unknown as Table,
    'copyFile',
    (original) =>
      function (...args) {
        const callback = args.at(-1);
        const redirected = typeof callback === 'function' ? redirect(args) : undefined;
        if (!redirected) return original.apply(this, args as never);
        const retry = (error: unknown): unknown =>
          error ? original.apply(this, args as never) : (callback as Callback)(null);
        return original.apply(this, [...redirected.slice(0, -1), retry] as never);
      },
  );
  patch(
    promises as Table,
    'copyFile',
    (original) =>
      async function (...args) {
        const redirected = redirect(args);
        if (redirected) {
          try {
            return await original.apply(this, redirected as never);
          } catch {
            // As above.
          }
        }
        return original.apply(this, args as never);
      },
  );
}
