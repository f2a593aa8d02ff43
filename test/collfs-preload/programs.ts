/** Programs that know nothing of collfs, the files they read, and how they are started with the preload library. */
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

import type { MpiAbi } from '../../native/launcher.ts';
import { compile, libraryOf } from '../collfs/programs.ts';

const here = fileURLToPath(new URL('.', import.meta.url));

export const preloadLibrary = join(dirname(libraryOf('openmpi')), 'libcollfs-preload.so');

/** Ranks' variables; Open MPI's launcher has to be told to pass them on to other nodes. */
export function preloaded(
  directory: string,
  env: Record<string, string> = {},
): Record<string, string> {
  return { LD_PRELOAD: preloadLibrary, COLLFS_PATHS: directory, COLLFS_TIMEOUT: '20', ...env };
}

/** Fortified: the calls with a check of the compiler's own are among those that are tested. */
export function buildReader(abi: MpiAbi, directory: string): string {
  const program = join(directory, `reader-${abi}`);
  compile(`mpicc.${abi}`, [
    ...['-O2', '-D_FORTIFY_SOURCE=2', '-Wall', '-Wextra', '-Werror'],
    ...[join(here, 'reader.c'), '-o', program, '-ldl', '-pthread'],
  ]);
  return program;
}

/** The library that starts MPI for Python. */
export function buildStart(abi: MpiAbi, directory: string): string {
  const library = join(directory, `libstart-${abi}.so`);
  compile(`mpicc.${abi}`, ['-shared', '-fPIC', join(here, 'start.c'), '-o', library]);
  return library;
}

export const pythonProgram = join(here, 'modules.py');

/** The files that reader.c and modules.py expect. */
export function writeReadersFiles(directory: string): void {
  const at = (name: string) => join(directory, name);
  mkdirSync(at('sub'));
  mkdirSync(at('target/inner'), { recursive: true });
  mkdirSync(at('package'));
  for (const name of ['file', 'target/beside']) writeFileSync(at(name), 'contents\n');
  for (let i = 0; i < 10; i++) writeFileSync(at(`sub/${i}`), 'contents\n');
  symlinkSync('file', at('link'));
  symlinkSync('target/inner', at('linked'));
  writeFileSync(at('package/__init__.py'), '');
  writeFileSync(at('package/first.py'), 'value = 1\n');
  writeFileSync(at('package/second.py'), 'value = 2\n');
}

/** Libraries that open files for the program. */
export function buildOpeners(directory: string): void {
  const at = (name: string) => join(directory, name);
  const shared = ['-shared', '-fPIC', '-O1'];
  for (const name of ['chosen', 'other']) {
    compile('gcc', [...shared, join(here, 'opener.c'), '-o', at(`lib${name}.so.1`)]);
  }
  compile('g++', [...shared, join(here, 'streams.cpp'), '-o', at('libstreams.so.1')]);
}
