/** Puts collfs in front of the reading functions of `fs` and `fs/promises`, in every calling form. */

import fs from 'node:fs';
import promises from 'node:fs/promises';

import { type Form, MISS, type Read } from '../../../loader/shadow/answer.ts';
import {
  attempt,
  type Callback,
  later,
  patchCallback,
  patchIfThere,
  patchPromise,
  patchSync,
} from '../../../loader/shadow/forms.ts';
import { patchExists } from '../../../loader/shadow/install.ts';
import { isPlain, isReadFlag } from '../../../loader/shadow/reads.ts';
import { fstatSync, isShared, openSync, readFileSync, type ReadFileOptions } from '../files.ts';
import { opendirSync, readdirSync } from '../listings.ts';
import {
  accessSync,
  type EncodingOptions,
  existsSync,
  lstatSync,
  readlinkSync,
  realpathSync,
  type StatOptions,
  statSync,
} from '../names.ts';
import { open as openHandle } from '../promises.ts';
import type { Installation } from './installation.ts';
import type { Routes } from './routes.ts';

type Answer = (path: fs.PathLike, options: unknown, form: Form) => unknown;

/** Options of `stat` for one form: only the synchronous one can do without an error. */
function statOptions(options: unknown, form: Form): StatOptions {
  const { bigint, throwIfNoEntry } = (options ?? {}) as StatOptions;
  return form === 'sync' ? { bigint, throwIfNoEntry } : { bigint };
}

const ANSWERS: Record<string, Answer> = {
  stat: (path, options, form) => statSync(path, statOptions(options, form)),
  lstat: (path, options, form) => lstatSync(path, statOptions(options, form)),
  access: (path, mode) => accessSync(path, mode as number | undefined),
  readFile: (path, options) => readFileSync(path, options as ReadFileOptions),
  readlink: (path, options) => readlinkSync(path, options as EncodingOptions),
  realpath: (path, options, form) =>
    (form === 'native' || form === 'promise' ? realpathSync.native : realpathSync)(
      path,
      options as EncodingOptions,
    ),
  readdir: (path, options) => readdirSync(path, options as EncodingOptions),
  opendir: (path, options) => opendirSync(path, options as fs.OpenDirOptions),
};

/** Whether options are such that collfs does what `fs` would; of others `fs` knows what to make. */
function isKnown(name: string, options: unknown): boolean {
  if (name === 'access') return options === undefined || typeof options === 'number';
  if (!isPlain(options)) return false;
  if (name !== 'readFile' || typeof options !== 'object') return true;
  const { flag, signal } = (options ?? {}) as { flag?: unknown; signal?: unknown };
  return isReadFlag(flag) && signal === undefined;
}

export function installReads(installation: Installation, routes: Routes): void {
  const read =
    (name: string): Read =>
    (path, options, form, below) =>
      isKnown(name, options) && routes.takesRead(name, path, below)
        ? ANSWERS[name]?.(path as fs.PathLike, options, form)
        : MISS;
  const on = (target: object, name: string, put: () => void): void => {
    installation.replace(target, name, put);
  };
  for (const name of Object.keys(ANSWERS)) {
    const hasValue = name !== 'access';
    on(fs, `${name}Sync`, () => patchSync(fs, `${name}Sync`, read(name)));
    on(fs, name, () => patchCallback(fs, name, read(name), hasValue));
    on(promises, name, () => patchPromise(promises, name, read(name)));
  }
  const native = read('realpath');
  on(fs.realpathSync, 'native', () => patchSync(fs.realpathSync, 'native', native, 'native'));
  on(fs.realpath, 'native', () => patchCallback(fs.realpath, 'native', native, true, 'native'));

  const exists: Read = (path, _, __, below) =>
    routes.takesRead('exists', path, below) ? existsSync(path as fs.PathLike) : MISS;
  on(fs, 'existsSync', () => patchSync(fs, 'existsSync', exists));
  on(fs, 'exists', () => patchExists(exists));

  const open: Read = (path, flags, form, below) => {
    if (typeof flags !== 'function' && !isReadFlag(flags)) return MISS;
    if (!routes.takesRead('open', path, below)) return MISS;
    const given = flags as fs.OpenMode | undefined;
    return form === 'promise'
      ? openHandle(path as fs.PathLike, given)
      : openSync(path as fs.PathLike, given);
  };
  on(fs, 'openSync', () => patchSync(fs, 'openSync', open));
  on(fs, 'open', () => patchCallback(fs, 'open', open));
  on(promises, 'open', () => patchPromise(promises, 'open', open));

  // Of its descriptors the kernel tells what the copy is.
  const fstat: Read = (fd, options, form) =>
    installation.rules.size > 0 && typeof fd === 'number' && isShared(fd)
      ? fstatSync(fd, { bigint: statOptions(options, form).bigint === true })
      : MISS;
  on(fs, 'fstatSync', () => patchSync(fs, 'fstatSync', fstat));
  on(fs, 'fstat', () => patchCallback(fs, 'fstat', fstat));
  on(fs, 'createReadStream', () => patchStreams(routes));
}

/** A stream opens its file later, when nobody can tell any more who asked for it. */
function patchStreams(routes: Routes): void {
  patchIfThere(
    fs,
    'createReadStream',
    (original) =>
      function patched(...args) {
        const [path, given] = args;
        const options = (typeof given === 'string' ? { encoding: given } : (given ?? {})) as {
          fd?: unknown;
          fs?: unknown;
          flags?: unknown;
        };
        const isOwnFile = options.fd == null && options.fs == null && isReadFlag(options.flags);
        if (!isOwnFile || !routes.takesRead('open', path, patched))
          return original.apply(this, args as never);
        const opened = attempt(() =>
          openSync(path as fs.PathLike, options.flags as fs.OpenMode | undefined),
        );
        const handOver = (...words: unknown[]): void => {
          later(words.at(-1) as Callback, opened);
        };
        const own = { open: handOver, read: fs.read, close: fs.close };
        return original.call(this, path as never, { ...options, fs: own } as never);
      },
  );
}
