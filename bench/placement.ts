/**
 * npm run bench:placement [-- --nodes 2,4,8 --mpi openmpi,mpich --rounds 9 --mib 128 --chunks 262144,1048576 --keep]
 *
 * The placement of an image on the nodes of the test cluster, against bare MPI_Bcast of the same bytes
 * between the same ranks, one a node. All rows take turns.
 *
 *   bcast                  MPI_Bcast into memory that is there already
 *   bcast_into_new_memory  the same into memory that has just been mapped
 *   bcast_into_new_file    the same into a file of the node's tmpfs, mapped, its blocks reserved before: the same
 *                          kind of memory as the placement's
 *   placement              broadcastFile: root reads the file from this machine's page cache, every rank
 *                          gets it in its tmpfs, in blocks reserved before, and computes its digest
 *   placement_no_digest    the same without the digest
 *   placement_N            placement in chunks of N bytes, for each of --chunks
 *
 * The nodes share this machine's processors: what counts is the ratio of rows, not their speed. The digest, which
 * on a real machine has a core of its own, takes part of the time here: 128 MiB are 0.07 s on each node.
 * --keep writes bench/runs/<date>/placement.json.
 */
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { Cluster } from '../test/cluster/cluster.ts';
import { packageRoot } from '../test/run-node.ts';

type Rows = Record<string, number[]>;
type Abi = 'openmpi' | 'mpich';

const MIB = 2 ** 20;
const { values: options } = parseArgs({
  options: {
    nodes: { type: 'string', default: '2,4,8' },
    mpi: { type: 'string', default: 'openmpi' },
    rounds: { type: 'string', default: '9' },
    mib: { type: 'string', default: '128' },
    chunks: { type: 'string', default: '' },
    keep: { type: 'boolean', default: false },
  },
});

const mib = Number(options.mib);
const results: { nodes: number; mpi: Abi; rows: Rows }[] = [];
const scratch = mkdtempSync(join(tmpdir(), 'walla-bench-placement-'));
try {
  const image = join(scratch, 'image');
  writeFileSync(image, randomBytes(mib * MIB));
  for (const mpi of options.mpi.split(',') as Abi[]) {
    const reason = Cluster.unavailableReason({ mpi, programs: [`mpicxx.${mpi}`] });
    if (reason !== undefined) {
      console.error(reason);
      process.exitCode = 1;
      continue;
    }
    const program = build(mpi);
    for (const nodes of options.nodes.split(',').map(Number)) {
      await using cluster = await Cluster.start({ nodes, shm: `${2 * mib}m` });
      const { code, stdout, stderr } = await cluster.mpirun(
        [program, image, options.rounds, ...options.chunks.split(',').filter(Boolean)],
        { mpi, timeoutMs: 900_000 },
      );
      if (code !== 0) throw new Error(stderr);
      const rows = JSON.parse(stdout) as Rows;
      results.push({ nodes, mpi, rows });
      report(nodes, mpi, rows);
    }
  }
} finally {
  rmSync(scratch, { recursive: true });
}
if (options.keep) keep();

function build(mpi: Abi): string {
  const program = join(scratch, mpi);
  const native = join(packageRoot, 'native/src');
  const sources = readdirSync(join(native, 'mpi')).filter((name) => name.endsWith('.cpp'));
  const common = [
    'fault',
    'mapping',
    'piece_digest',
    'posix_error',
    'sha256',
    'sha256_compress',
    'trailing_hash',
  ];
  execFileSync(`mpicxx.${mpi}`, [
    ...['-std=c++17', '-O2', '-Wall', '-Wextra', '-Werror', '-pthread', '-o', program],
    ...['-DOMPI_SKIP_MPICXX', '-DMPICH_SKIP_MPICXX', join(packageRoot, 'bench/placement.cpp')],
    ...sources.map((name) => join(native, 'mpi', name)),
    ...common.map((name) => join(native, `${name}.cpp`)),
  ]);
  return program;
}

function median(values: number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? NaN;
}

function report(nodes: number, mpi: Abi, rows: Rows): void {
  console.log(`${nodes} nodes, ${mpi}, ${mib} MiB`);
  for (const [name, seconds] of Object.entries(rows)) {
    // By the least times, and in the median round.
    const against = (other: string): string => {
      const bcast = rows[other] ?? [];
      const least = Math.min(...bcast) / Math.min(...seconds);
      const each = median(seconds.map((value, round) => (bcast[round] ?? NaN) / value));
      return `${least.toFixed(2)} ${each.toFixed(2)}`;
    };
    console.log(
      `  ${name.padEnd(23)} least ${(Math.min(...seconds) * 1e3).toFixed(1).padStart(8)} ms, ` +
        `median ${(median(seconds) * 1e3).toFixed(1).padStart(8)} ms; bandwidth (least, median round) ` +
        `of bcast's ${against('bcast')}, into a new file ${against('bcast_into_new_file')}`,
    );
  }
}

function keep(): void {
  const date = new Date().toISOString().slice(0, 10);
  const machine = { cpu: cpus()[0]?.model, cores: cpus().length, load: loadavg() };
  const directory = join(packageRoot, 'bench/runs', date);
  mkdirSync(directory, { recursive: true });
  writeFileSync(
    join(directory, 'placement.json'),
    JSON.stringify({ date, machine, options, results }) + '\n',
  );
}
