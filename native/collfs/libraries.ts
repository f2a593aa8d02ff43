/** Files for code that takes a path and not a descriptor, shared libraries above all. */

import * as os from 'node:os';
import type { PathLike } from 'node:fs';
import { dirname, resolve } from 'node:path';

import { announced } from '../../loader/announced.ts';
import { elfLibraries } from '../../stage/pack/elf.ts';
import { perform } from './counters.ts';
import { CollfsError } from './errors.ts';
import { openSync } from './files.ts';
import { statManySync } from './names.ts';
import { rawPath, shown } from './paths.ts';
import { real } from './real-fs.ts';
import { loadedAddon } from './stack.ts';

/** Descriptors by the path that was asked for. They stay open, so that no name ever leads to another file. */
const fetched = new Map<string, number>();

function fetchDescriptor(path: string): number {
  const known = fetched.get(path);
  if (known !== undefined) return known;
  const fd = openSync(path);
  fetched.set(path, fd);
  return fd;
}

/**
 * Brings a file to this node's memory; collective the first time for each path.
 * @returns a name for the copy, which other processes of this user on this node may use too, until this
 *   one ends; with nothing pushed, the path itself
 * @throws root's error, the same on all ranks; CollfsError
 */
export function fetchSync(path: PathLike): string {
  const absolute = resolve(shown(rawPath(path)));
  return perform(
    'open',
    () => `/proc/${process.pid}/fd/${fetchDescriptor(absolute)}`,
    () => absolute,
  );
}

/** Libraries that the linker has. */
const loaded = new Set<string>();

/** What a library needs beside it, as the dynamic linker would look for it. */
interface Need {
  name: string;
  candidates: string[];
}

function needsOf(fd: number, path: string): Need[] {
  const { needed, runPaths } = elfLibraries((offset, length) => {
    const buffer = Buffer.alloc(length);
    return buffer.subarray(0, real.readSync(fd, buffer, 0, length, offset));
  });
  const directories = runPaths.map((directory) =>
    directory.replace(/\$(ORIGIN\b|\{ORIGIN\})/, dirname(path)),
  );
  const places = directories.filter((directory) => directory.startsWith('/'));
  return needed.map((name) => ({
    name,
    candidates: places.map((place) => resolve(place, name)),
  }));
}

/** Loads a library's own libraries before it, so that the linker has them by name and looks for none. */
function loadNeeded(fd: number, path: string): void {
  const needs = needsOf(fd, path);
  const candidates = needs.flatMap((need) => need.candidates);
  if (candidates.length === 0) return;
  const found = statManySync(candidates);
  const files = new Set(
    candidates.filter((_, i) => {
      const stats = found[i];
      return stats !== undefined && 'mode' in stats && stats.isFile();
    }),
  );
  for (const need of needs) {
    const library = need.candidates.find((candidate) => files.has(candidate));
    if (library === undefined || loaded.has(library)) continue;
    loaded.add(library);
    const copy = fetchDescriptor(library);
    loadNeeded(copy, library);
    loadedAddon()?.loadLibrary(nameOf(copy));
  }
}

function nameOf(fd: number): string {
  return `/proc/self/fd/${fd}`;
}

/** @throws an error as the linker's, or CollfsError */
function openLibrary(absolute: string, path: string): number {
  try {
    return fetchDescriptor(absolute);
  } catch (cause) {
    if (cause instanceof CollfsError) throw cause;
    const error: NodeJS.ErrnoException = new Error(
      `${path}: cannot open shared object file: ${(cause as Error).message}`,
      { cause },
    );
    error.code = 'ERR_DLOPEN_FAILED';
    throw error;
  }
}

/**
 * As `process.dlopen`, from a copy in this node's memory that root alone has read; collective the first
 * time for each path. So are the libraries that it needs and finds by its run path (`$ORIGIN/...`);
 * those of the system are the linker's own affair. The addon's `__filename` stays the original one;
 * an addon that asks the linker where it stands is told of the copy.
 * @param module as for `process.dlopen`
 * @throws Error ERR_DLOPEN_FAILED where root cannot open it, the same on all ranks; CollfsError; what
 *   `process.dlopen` throws, on this rank
 */
export function dlopen(
  module: object,
  path: string,
  flags: number = os.constants.dlopen.RTLD_LAZY,
): void {
  const absolute = resolve(path);
  if (announced()?.loads(absolute) === true) {
    real.dlopen(module, path, flags);
    return;
  }
  perform(
    'dlopen',
    () => {
      const fd = openLibrary(absolute, path);
      const copy = nameOf(fd);
      try {
        loadNeeded(fd, absolute);
        real.dlopen(module, copy, flags);
      } catch (error) {
        if (!(error instanceof Error)) throw error;
        // A library without a name of its own (DT_SONAME) is looked for beside the copy.
        if (error.message.includes(': cannot open shared object file')) {
          real.dlopen(module, path, flags);
          return;
        }
        error.message = error.message.replaceAll(copy, path);
        throw error;
      }
    },
    () => {
      real.dlopen(module, path, flags);
    },
  );
}
