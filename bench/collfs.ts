/**
 * npm run bench:collfs [-- --rounds 7 --small-rounds 50 --mib 256 --per-node 1 --mpi openmpi --keep]
 *
 * collfs_open against bare MPI_Bcast on four nodes of the test cluster. All rows take turns.
 *
 *   bcast                  MPI_Bcast of the file's bytes into memory that is there already
 *   bcast_into_new_memory  the same into memory that has just been mapped, as a copy of a file must be
 *   open                   collfs_open: the file is read, sent, and one copy made on each node
 *   bcast_64, bcast_4096   small broadcasts, chained so that their latency counts
 *   open_read_close        collfs_open, collfs_read and collfs_close of a file of 4 KiB
 *   stat                   collfs_stat
 *   plain_open_read_close  the same by libc on every rank, from this machine's page cache
 *
 * The nodes share this machine's processors, so what counts is the ratio of rows, not their speed.
 * --keep writes bench/runs/<date>/collfs.json, of MPICH collfs-mpich.json.
 */
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import {
  closeSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  rmSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { cpus, loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { Cluster } from '../test/cluster/cluster.ts';
import { packageRoot } from '../test/run-node.ts';

interface Samples {
  seconds: number[];
  processorSeconds: number[];
}
type Rows = Record<string, Samples> & { copyBytes: number };

const NODES = 4;
const { values: options } = parseArgs({
  options: {
    rounds: { type: 'string', default: '7' },
    'small-rounds': { type: 'string', default: '50' },
    mib: { type: 'string', default: '256' },
    'per-node': { type: 'string', default: '1' },
    mpi: { type: 'string', default: 'openmpi' },
    keep: { type: 'boolean', default: false },
  },
});
const { mpi } = options;
if (mpi !== 'openmpi' && mpi !== 'mpich') throw new Error(`--mpi ${mpi}: openmpi or mpich`);
const compiler = `mpicxx.${mpi}`;
const reason = Cluster.unavailableReason({ mpi, programs: [compiler] });
if (reason !== undefined) {
  console.error(reason);
  process.exit(1);
}

const scratch = mkdtempSync(join(tmpdir(), 'walla-bench-collfs-'));
try {
  const program = build();
  const large = join(scratch, 'large');
  const small = join(scratch, 'small');
  writeLarge(large, Number(options.mib));
  writeFileSync(small, randomBytes(4096));
  const cluster = await Cluster.start({ nodes: NODES });
  try {
    const { code, stdout, stderr } = await cluster.mpirun(
      [program, large, small, options.rounds, options['small-rounds']],
      { mpi, slots: Number(options['per-node']), timeoutMs: 600_000 },
    );
    if (code !== 0) throw new Error(stderr);
    report(JSON.parse(stdout) as Rows);
  } finally {
    await cluster.stop();
  }
} finally {
  rmSync(scratch, { recursive: true });
}

function build(): string {
  const program = join(scratch, 'bench-collfs');
  const libraries = join(packageRoot, 'dist/native', `${process.platform}-${process.arch}`);
  execFileSync(compiler, [
    ...['-std=c++17', '-Wall', '-Wextra', '-Werror', '-O2', '-o', program],
    ...['-DOMPI_SKIP_MPICXX', '-DMPICH_SKIP_MPICXX'],
    ...[`-I${join(packageRoot, 'native/src/collfs')}`, join(packageRoot, 'bench/collfs.cpp')],
    ...[`-L${libraries}`, `-lcollfs-${mpi}`, `-Wl,-rpath,${libraries}`],
  ]);
  return program;
}

function writeLarge(path: string, mib: number): void {
  const file = openSync(path, 'w');
  const piece = randomBytes(1 << 20);
  for (let i = 0; i < mib; i++) writeSync(file, piece);
  closeSync(file);
}

function median(values: number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? NaN;
}

function report(rows: Rows): void {
  const { copyBytes, ...samples } = rows;
  const milliseconds = (seconds: number) => (seconds * 1e3).toFixed(3).padStart(11);
  console.log('row                        least ms   median ms   processor ms (median, all ranks)');
  for (const [name, { seconds, processorSeconds }] of Object.entries(samples)) {
    const columns = [Math.min(...seconds), median(seconds), median(processorSeconds)];
    console.log(name.padEnd(23) + columns.map(milliseconds).join(' '));
  }
  const of = (name: string, pick: (values: number[]) => number) =>
    pick(samples[name]?.seconds ?? []);
  const least = (values: number[]) => Math.min(...values);
  const percent = (part: number) => `${(100 * part).toFixed(0)} %`;
  for (const [what, pick] of [
    ['least', least],
    ['median', median],
  ] as const) {
    const open = of('open', pick);
    const few = of('open_read_close', pick);
    console.log(
      `${what}: bandwidth of open ${percent(of('bcast', pick) / open)} of bcast (bar: 80 %), ` +
        `${percent(of('bcast_into_new_memory', pick) / open)} of bcast_into_new_memory; ` +
        `open_read_close ${(few / of('bcast_64', pick)).toFixed(2)} bcast_64 (bar: 3), ` +
        `${(few / of('bcast_4096', pick)).toFixed(2)} bcast_4096`,
    );
  }
  const expected = NODES * Number(options.mib);
  console.log(`memory of all copies: ${copyBytes / 2 ** 20} MiB; one a node is ${expected} MiB`);
  if (!options.keep) return;
  const date = new Date().toISOString().slice(0, 10);
  const machine = { cpu: cpus()[0]?.model, cores: cpus().length, load: loadavg() };
  const directory = join(packageRoot, 'bench/runs', date);
  mkdirSync(directory, { recursive: true });
  writeFileSync(
    join(directory, mpi === 'openmpi' ? 'collfs.json' : `collfs-${mpi}.json`),
    JSON.stringify({ date, machine, nodes: NODES, mpi, options, copyBytes, rows: samples }) + '\n',
  );
}
