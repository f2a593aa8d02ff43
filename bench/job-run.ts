/** One mpirun: what each rank noted down, when its first line came, and what the machine did meanwhile. */
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statfsSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { ClusterNode } from '../test/cluster/cluster.ts';
import { type Job, PROBE_HERE, type Site } from './contenders/contender.ts';
import type { Layout } from './results.ts';

/** What the probe in each rank notes down. Times are milliseconds since 1970. */
export interface Probe {
  rank: number;
  startedMs: number;
  originMs: number;
  bootedMs: number;
  /** At its peak. */
  privateMiB: number;
}

const SAMPLE_MS = 25;
/** For the end of a job that is told to end. */
const GRACE_MS = 10_000;

/** Loaded last before the program, from a local disk, in every contender alike. */
const PROBE = `
import { readFileSync, writeFileSync } from 'node:fs';
const bootedMs = performance.timeOrigin + performance.now();
const { BENCH_RESULTS, BENCH_STARTED, OMPI_COMM_WORLD_RANK: rank } = process.env;
if (rank !== undefined) process.on('exit', () => {
  const status = readFileSync('/proc/self/status', 'utf8');
  const [peak, anonymous, file, shared] = ['VmHWM', 'RssAnon', 'RssFile', 'RssShmem'].map(
    (name) => Number(new RegExp('^' + name + ':\\\\s*(\\\\d+)', 'm').exec(status)[1]) / 1024);
  writeFileSync(BENCH_RESULTS + '/' + rank + '.json', JSON.stringify({
    rank: Number(rank), startedMs: BENCH_STARTED * 1000, originMs: performance.timeOrigin, bootedMs,
    // What is mapped only grows, so this is not more than the peak of what is private.
    privateMiB: Math.max(anonymous, peak - file - shared),
  }));
});
`;

export interface JobRun {
  /** Of all ranks, by rank. */
  probes: Probe[];
  startMs: number;
  /** By rank. */
  firstLineMs: Map<number, number>;
  /** By position of the node. */
  tmpfsBytes: number[];
  networkBytes: number;
  busy: number;
  stderr: string;
}

/** @throws if the job fails, or runs longer than `timeoutMs` */
export async function runJob(
  site: Site,
  job: Job,
  { nodes, ranks }: Layout,
  timeoutMs: number,
): Promise<JobRun> {
  const results = mkdtempSync(join(site.local, 'results-'));
  const used = site.cluster.nodes.slice(0, nodes);
  const mark = ['bash', '-c', 'BENCH_STARTED=$EPOCHREALTIME exec "$@"', 'bash'];
  const words = site.cluster.mpirunCommand([...mark, ...withProbe(job.command, site)], {
    slots: site.cluster.nodes.map((node) => (used.includes(node) ? ranks : 0)),
    arguments: ['--tag-output'],
  });
  const tmpfs = used.map(() => 0);
  const received = () => used.reduce((total, node) => total + node.traffic().receivedBytes, 0);
  const receivedBefore = received();
  const processorsBefore = processorTimes();
  const startMs = performance.timeOrigin + performance.now();
  const child = site.cluster.spawn(words, {
    cwd: job.cwd,
    env: { BENCH_RESULTS: results, ...job.env },
  });
  const { stdout, stderr } = child;
  if (!stdout || !stderr) throw new Error('no pipes');
  let errors = '';
  stderr.setEncoding('utf8').on('data', (text: string) => (errors += text));
  const firstLineMs = new Map<number, number>();
  let busy = NaN;
  createInterface(stdout).on('line', (line) => {
    const rank = /^\[\d+,(\d+)\]<stdout>:/.exec(line)?.[1];
    if (rank === undefined || firstLineMs.has(Number(rank))) return;
    firstLineMs.set(Number(rank), performance.timeOrigin + performance.now());
    if (firstLineMs.size === nodes * ranks) busy = busyShare(processorsBefore, processorTimes());
  });
  const sampler = setInterval(() => {
    used.forEach((node, index) => {
      tmpfs[index] = Math.max(tmpfs[index] ?? 0, tmpfsBytes(node));
    });
  }, SAMPLE_MS);
  const limit = { passed: false };
  const timer = setTimeout(() => {
    limit.passed = true;
    child.kill('SIGTERM');
    // Whoever does not listen goes with the nodes; who holds the pipes must not hold this.
    setTimeout(() => [stdout, stderr].forEach((pipe) => pipe.destroy()), GRACE_MS).unref();
  }, timeoutMs);
  const code = await new Promise((resolve) => child.once('close', resolve));
  clearTimeout(timer);
  clearInterval(sampler);
  if (limit.passed) throw new Error(`the job took longer than ${timeoutMs / 1000} s\n${errors}`);
  if (code !== 0) throw new Error(`the job ended with ${String(code)}\n${errors}`);
  if (firstLineMs.size !== nodes * ranks)
    throw new Error(`first lines of ${firstLineMs.size} ranks\n${errors}`);
  return {
    probes: readProbes(results, nodes * ranks),
    startMs,
    firstLineMs,
    tmpfsBytes: tmpfs,
    networkBytes: received() - receivedBefore,
    busy,
    stderr: errors,
  };
}

function readProbes(results: string, expected: number): Probe[] {
  const probes = readdirSync(results).map(
    (name) => JSON.parse(readFileSync(join(results, name), 'utf8')) as Probe,
  );
  rmSync(results, { recursive: true });
  if (probes.length !== expected) throw new Error(`${probes.length} of ${expected} ranks ended`);
  return probes.sort((a, b) => a.rank - b.rank);
}

/** Each contender says where its probe goes: after all that Node.js loads before the program. */
function withProbe(command: string[], { local }: Site): string[] {
  const probe = join(local, 'probe.mjs');
  mkdirSync(local, { recursive: true });
  writeFileSync(probe, PROBE);
  return command.flatMap((word) => (word === PROBE_HERE ? ['--import', probe] : [word]));
}

/** As seen from outside the node. */
function tmpfsBytes(node: ClusterNode): number {
  return ['dev/shm', 'run'].reduce((total, path) => {
    const { blocks, bfree, bsize } = statfsSync(`/proc/${node.pid}/root/${path}`);
    return total + (blocks - bfree) * bsize;
  }, 0);
}

/** Jiffies of all processors together. */
function processorTimes(): { idle: number; total: number } {
  const line = readFileSync('/proc/stat', 'utf8').split('\n')[0] ?? '';
  const [user = 0, nice = 0, system = 0, idle = 0, wait = 0, irq = 0, softIrq = 0, steal = 0] = line
    .split(/\s+/)
    .slice(1)
    .map(Number);
  const total = user + nice + system + idle + wait + irq + softIrq + steal;
  return { idle: idle + wait, total };
}

function busyShare(
  before: { idle: number; total: number },
  after: { idle: number; total: number },
): number {
  return 1 - (after.idle - before.idle) / (after.total - before.total);
}
