/** Builds the simulation: the distribution core as it is, under SimGrid's MPI, and what drives it. */
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { packageRoot } from '../../test/run-node.ts';

/** Compiled by smpicxx, as they include mpi.h. */
const CORE_OF_MPI = [
  'broadcast_file',
  'check',
  'chunk_stream',
  'communicator',
  'environment',
  'roll_call',
  'two_trees',
  'wait',
];
const CORE = ['fault', 'piece_digest', 'posix_error', 'sha256', 'sha256_compress'];
const DRIVER = ['platform', 'simulate', 'stand_ins'];

const native = join(packageRoot, 'native/src');
const here = join(packageRoot, 'bench/simulated');
const cache = join(packageRoot, '.cache/simulated');

/** Why nothing can be simulated here, as a sentence; undefined if it can. */
export function whyNotSimulated(): string | undefined {
  if (spawnSync('smpicxx', ['--version']).error === undefined) return undefined;
  return 'smpicxx is not installed (Debian package libsimgrid-dev)';
}

function changed(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0;
}

function latestHeader(): number {
  const folders = [native, join(native, 'mpi'), here];
  const headers = folders.flatMap((folder) =>
    readdirSync(folder)
      .filter((name) => name.endsWith('.h'))
      .map((name) => join(folder, name)),
  );
  return Math.max(...headers.map(changed));
}

/** Compiles what has changed since the last time. @returns path of the program */
export function buildSimulation(): string {
  mkdirSync(cache, { recursive: true });
  const headers = latestHeader();
  const flags = ['-std=c++17', '-O2', '-Wall', '-Wextra'];
  const compile = (compiler: string, folder: string, name: string, more: string[] = []): string => {
    const source = join(folder, `${name}.cpp`);
    const object = join(cache, `${name}.o`);
    if (changed(object) < Math.max(headers, changed(source))) {
      execFileSync(compiler, [...flags, ...more, '-c', source, '-o', object]);
    }
    return object;
  };
  // GCC 12 takes a copied std::function of SimGrid's for one that is not initialized.
  const simgrid = ['-I/usr/include/smpi', '-Wno-maybe-uninitialized'];
  const objects = [
    ...CORE_OF_MPI.map((name) => compile('smpicxx', join(native, 'mpi'), name)),
    ...CORE.map((name) => compile('g++', native, name)),
    ...DRIVER.map((name) => compile('g++', here, name, simgrid)),
  ];
  const program = join(cache, 'simulate');
  if (changed(program) < Math.max(...objects.map(changed))) {
    execFileSync('g++', ['-o', program, ...objects, '-lsimgrid', '-pthread']);
  }
  return program;
}
