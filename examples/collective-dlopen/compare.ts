/**
 * Counts what loading libraries asks of the shared file system, plainly and with collfs-run, on the
 * cluster of test/cluster (needs root, Open MPI, a C compiler and strace):
 *
 *     node --import tsx examples/collective-dlopen/compare.ts [options of generate.sh]
 */
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

import { Cluster, type RunResult } from '../../test/cluster/cluster.ts';

const here = fileURLToPath(new URL('.', import.meta.url));
const native = path.join(
  fileURLToPath(new URL('../../dist/native/', import.meta.url)),
  `${process.platform}-${process.arch}`,
);
const counted = path.join(here, 'counted.sh');
/** What the ranks need of collfs-run's environment. */
const FORWARDED = ['LD_AUDIT', 'COLLFS_STAGE', 'COLLFS_PATHS'];

export const NEEDS = { programs: ['strace', 'cc', 'mpicc.openmpi'] };

/** Libraries on the shared file system and a program that loads them. */
export class Libraries {
  readonly directory = mkdtempSync(path.join(tmpdir(), 'walla-dlopen-'));
  /** The directory that counts. */
  readonly path = path.join(this.directory, 'libs');
  readonly program = path.join(this.directory, 'load');
  /** The same, linked with all modules. */
  readonly linked = path.join(this.directory, 'linked');
  readonly modules: number;
  readonly count: number;

  /** @param options of generate.sh */
  constructor(options: string[] = []) {
    must(path.join(here, 'generate.sh'), [...options, this.path]);
    const names = readdirSync(this.path);
    this.count = names.length;
    const modules = names.filter((name) => name.startsWith('libmodule_'));
    this.modules = modules.length;
    const compile = ['-O1', path.join(here, 'load.c'), '-ldl'];
    must('cc', [...compile, '-o', this.program]);
    const needs = [`-L${this.path}`, ...modules.map((name) => `-l:${name}`)];
    const search = ['-Wl,--enable-new-dtags', `-Wl,-rpath,${this.path}`];
    must('cc', [...compile, '-o', this.linked, '-Wl,--no-as-needed', ...needs, ...search]);
  }

  /** The commands that load all modules: by dlopen, with the program itself, by ctypes. */
  get commands(): Record<'C' | 'C, linked' | 'Python', string[]> {
    const args = [this.path, String(this.modules)];
    return {
      C: [this.program, ...args],
      'C, linked': [this.linked, this.path, '0'],
      Python: ['python3', path.join(here, 'load.py'), ...args],
    };
  }

  remove(): void {
    rmSync(this.directory, { recursive: true });
  }

  [Symbol.dispose](): void {
    this.remove();
  }
}

function must(command: string, args: string[]): void {
  const result = spawnSync(command, args, { encoding: 'utf8' });
  if (result.status !== 0) throw new Error(`${command}: ${result.stderr}`);
}

export interface Count {
  /** System calls with a name in the libraries' directory, of all processes. */
  requests: number;
  result: RunResult;
}

export interface Setting {
  /** Default `openmpi`. */
  mpi?: 'openmpi' | 'mpich';
  /** Ranks on each node. */
  slots: number | number[];
  collfs: boolean;
}

/** Runs a command on each rank and counts its requests, and those of collfs itself. */
export async function countRequests(
  cluster: Cluster,
  libraries: Libraries,
  command: string[],
  { slots, collfs, mpi = 'openmpi' }: Setting,
): Promise<Count> {
  const traces = path.join(libraries.directory, 'traces');
  mkdirSync(traces);
  try {
    // MPICH's launcher passes all variables on by itself.
    const pass = (names: string[]) =>
      mpi === 'openmpi' ? names.flatMap((name) => ['-x', name]) : [];
    const job = cluster.mpirunCommand([counted, ...command], {
      mpi,
      slots,
      arguments: pass(['TRACES', ...(collfs ? FORWARDED : [])]),
    });
    const stage = cluster.mpirunCommand([counted], {
      mpi,
      slots: 1,
      arguments: pass(['TRACES']),
    });
    const run = [path.join(native, 'collfs-run'), '--mpi', mpi, '--path', libraries.path];
    const words = collfs ? [...run, '--nodes', stage.join(' '), '--', ...job] : job;
    const result = await cluster.run(words, { env: { TRACES: traces } });
    return { requests: requestsIn(traces, libraries.path), result };
  } finally {
    rmSync(traces, { recursive: true });
  }
}

/** Calls with a name of a directory or below it, in the traces that counted.sh has written. */
export function requestsIn(traces: string, directory: string): number {
  // The first name of a call; not words that merely hold it, such as those of execve.
  const call = /^(?:\d+\s+)?(?:\[pid +\d+\] )?(\w+)\((?:[A-Z_0-9]+(?:<[^>]*>)?, )?"([^"]*)"/;
  const lines = readdirSync(traces).flatMap((name) =>
    readFileSync(path.join(traces, name), 'utf8').split('\n'),
  );
  return lines.filter((line) => {
    const name = call.exec(line)?.[2];
    return name === directory || name?.startsWith(`${directory}/`);
  }).length;
}

async function main(): Promise<void> {
  const reason = Cluster.unavailableReason(NEEDS);
  if (reason !== undefined) throw new Error(reason);
  using libraries = new Libraries(process.argv.slice(2));
  await using cluster = await Cluster.start({ nodes: 4 });
  console.log(
    `${libraries.count} libraries, 4 nodes x 4 ranks; requests to the shared file system`,
  );
  for (const [language, command] of Object.entries(libraries.commands)) {
    for (const [what, setting] of [
      ['one process', { slots: [1], collfs: false }],
      ['16 ranks', { slots: 4, collfs: false }],
      ['16 ranks with collfs-run', { slots: 4, collfs: true }],
    ] as const) {
      const { requests, result } = await countRequests(cluster, libraries, command, {
        ...setting,
        slots: typeof setting.slots === 'number' ? setting.slots : [...setting.slots],
      });
      if (result.code !== 0) throw new Error(result.stderr);
      console.log(`${language.padEnd(10)} ${what.padEnd(26)} ${String(requests).padStart(6)}`);
    }
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await main();
