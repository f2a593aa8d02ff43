/** One job of one contender on the cluster, from a cold start to the end, and everything that is reported of it. */
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
import { type Contender, type Job, PROBE_HERE, type Site } from './contenders/contender.ts';
import {
  type Counts,
  noRequests,
  type Request,
  requestCount,
  SharedFs,
  type SharedFsOptions,
  type SharedFsReport,
} from './sharedfs/shared-fs.ts';

/** Seconds, one after the other, of the rank whose first line came last; together they are `seconds`. */
export interface Phases {
  /** mpirun, until it has started the rank. */
  launch: number;
  /** Bringing the files to the node: broadcast and unpacking, mounting, walla's staging. */
  place: number;
  /** The rest of Node.js's own start, until it turns to the program. */
  boot: number;
  /** The program's modules, until its first line of output. */
  load: number;
}

/** Requests at the shared file system. */
export interface Requests {
  boot: Counts;
  /** From where the program's own loading begins. */
  after: Counts;
}

export interface Measurement {
  /** From the start of mpirun to the first line of the last rank. */
  seconds: number;
  phases: Phases;
  /** Rank 0 and its children. */
  root: Requests;
  /** All other ranks together. */
  others: Requests;
  /** The most that one rank other than root made during boot, and after. */
  otherMost: { boot: number; after: number };
  /** What it asked: kind and path of the first requests. */
  otherMostPaths: { boot: string[]; after: string[] };
  /** Launchers and shells. */
  launcher: Counts;
  /** Memory of the fullest node that the kernel cannot take back, in MiB: private memory of all its ranks and its tmpfs. */
  nodeMiB: number;
  /** The part of it that is tmpfs. */
  tmpfsMiB: number;
  /** Bytes that all nodes together received over the network, in MiB. */
  networkMiB: number;
  /** How much of the time all processors were busy, 0 to 1. */
  busy: number;
}

/** What the probe in each rank notes down. Times are milliseconds since 1970. */
interface Probe {
  rank: number;
  startedMs: number;
  originMs: number;
  bootedMs: number;
  privateMiB: number;
}

const SAMPLE_MS = 25;
/** Enough for what walla asks; of others it is a sample. */
const MOST_PATHS = 50;
const MIB = 1 << 20;

/** Loaded last before the program, from a local disk, in every contender alike. */
const PROBE = `
import { readFileSync, writeFileSync } from 'node:fs';
const bootedMs = performance.timeOrigin + performance.now();
const { BENCH_RESULTS, BENCH_STARTED, OMPI_COMM_WORLD_RANK: rank } = process.env;
if (rank !== undefined) process.on('exit', () => {
  const anonymous = /^RssAnon:\\s*(\\d+)/m.exec(readFileSync('/proc/self/status', 'utf8'));
  writeFileSync(BENCH_RESULTS + '/' + rank + '.json', JSON.stringify({
    rank: Number(rank), startedMs: BENCH_STARTED * 1000, originMs: performance.timeOrigin, bootedMs,
    privateMiB: Number(anonymous[1]) / 1024,
  }));
});
`;

/**
 * Runs one job with cold caches on the first `nodes` nodes of the cluster.
 * @throws if the job fails, or runs longer than `timeoutMs`
 */
export async function measure(
  contender: Contender,
  job: Job,
  site: Site,
  layout: { nodes: number; ranks: number },
  server: SharedFsOptions,
  timeoutMs: number,
): Promise<Measurement> {
  const nodes = site.cluster.nodes.slice(0, layout.nodes);
  await contender.before?.(nodes, site, job);
  const results = mkdtempSync(join(site.local, 'results-'));
  const shared = await SharedFs.mount(nodes, site.shared, { ...server, trace: true });
  let run: JobRun;
  let report: SharedFsReport;
  try {
    run = await runJob(site, job, layout, results, timeoutMs);
  } finally {
    await contender.after?.(nodes, site);
    report = await shared.unmount();
  }
  const probes = readdirSync(results).map(
    (name) => JSON.parse(readFileSync(join(results, name), 'utf8')) as Probe,
  );
  rmSync(results, { recursive: true });
  const expected = layout.nodes * layout.ranks;
  if (probes.length !== expected)
    throw new Error(`${probes.length} of ${expected} ranks ended\n${run.stderr}`);
  probes.sort((a, b) => a.rank - b.rank);
  return {
    seconds: (Math.max(...run.firstLineMs.values()) - run.startMs) / 1000,
    phases: phasesOf(run, probes),
    ...countRequests(report.requests, probes),
    ...memoryOf(probes, run, layout.ranks),
    networkMiB: run.networkBytes / MIB,
    busy: run.busy,
  };
}

interface JobRun {
  startMs: number;
  /** By rank. */
  firstLineMs: Map<number, number>;
  /** By position of the node. */
  tmpfsBytes: number[];
  networkBytes: number;
  busy: number;
  stderr: string;
}

async function runJob(
  site: Site,
  job: Job,
  { nodes, ranks }: { nodes: number; ranks: number },
  results: string,
  timeoutMs: number,
): Promise<JobRun> {
  const used = site.cluster.nodes.slice(0, nodes);
  const mark = ['bash', '-c', 'BENCH_STARTED=$EPOCHREALTIME exec "$@"', 'bash'];
  const words = site.cluster.mpirunCommand([...mark, ...withProbe(job.command, site)], {
    slots: site.cluster.nodes.map((node) => (used.includes(node) ? ranks : 0)),
    arguments: ['--tag-output'],
  });
  const tmpfsBefore = used.map(tmpfsBytes);
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
      tmpfs[index] = Math.max(tmpfs[index] ?? 0, tmpfsBytes(node) - (tmpfsBefore[index] ?? 0));
    });
  }, SAMPLE_MS);
  const timer = setTimeout(() => child.kill('SIGTERM'), timeoutMs);
  const code = await new Promise((resolve) => child.once('close', resolve));
  clearTimeout(timer);
  clearInterval(sampler);
  if (code !== 0) throw new Error(`the job ended with ${String(code)}\n${errors}`);
  if (firstLineMs.size !== nodes * ranks)
    throw new Error(`first lines of ${firstLineMs.size} ranks\n${errors}`);
  return {
    startMs,
    firstLineMs,
    tmpfsBytes: tmpfs,
    networkBytes: received() - receivedBefore,
    busy,
    stderr: errors,
  };
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

function phasesOf({ startMs, firstLineMs, stderr }: JobRun, probes: Probe[]): Phases {
  const [last] = [...firstLineMs].sort((a, b) => b[1] - a[1]);
  const probe = probes.find(({ rank }) => rank === last?.[0]);
  if (!last || !probe) throw new Error('no rank was last');
  const staged = stagingMs(stderr);
  return {
    launch: (probe.startedMs - startMs) / 1000,
    place: (probe.originMs - probe.startedMs + staged) / 1000,
    boot: (probe.bootedMs - probe.originMs - staged) / 1000,
    load: (last[1] - probe.bootedMs) / 1000,
  };
}

/** From walla's own summary of the job; 0 where there is none. */
function stagingMs(stderr: string): number {
  const listed = /^.*walla: staged .*; ms: (.*)$/m.exec(stderr)?.[1] ?? '';
  return [...listed.matchAll(/(\d+)(?:,|$)/g)].reduce((total, [, ms]) => total + Number(ms), 0);
}

function countRequests(
  requests: Request[],
  probes: Probe[],
): Pick<Measurement, 'root' | 'others' | 'otherMost' | 'otherMostPaths' | 'launcher'> {
  const empty = (): Requests => ({ boot: noRequests(), after: noRequests() });
  const byRank = new Map(probes.map((probe) => [probe.rank, { probe, requests: empty() }]));
  const root = empty();
  const others = empty();
  const launcher = noRequests();
  for (const request of requests) {
    const of = byRank.get(request.rank);
    if (!of) {
      add(launcher, request);
      continue;
    }
    const when = whenOf(request, of.probe);
    add(of.requests[when], request);
    add((request.rank === 0 ? root : others)[when], request);
  }
  const boot = mostOf('boot', byRank, requests);
  const after = mostOf('after', byRank, requests);
  return {
    root,
    others,
    launcher,
    otherMost: { boot: boot.count, after: after.count },
    otherMostPaths: { boot: boot.paths, after: after.paths },
  };
}

/** The rank other than root that made the most requests during boot, or after it. */
function mostOf(
  when: keyof Requests,
  byRank: Map<number, { probe: Probe; requests: Requests }>,
  requests: Request[],
): { count: number; paths: string[] } {
  let count = 0;
  let paths: string[] = [];
  for (const [rank, of] of byRank) {
    if (rank === 0 || requestCount(of.requests[when]) <= count) continue;
    count = requestCount(of.requests[when]);
    paths = requests
      .filter((request) => request.rank === rank && whenOf(request, of.probe) === when)
      .slice(0, MOST_PATHS)
      .map(({ kind, path }) => `${kind} ${path}`);
  }
  return { count, paths };
}

function whenOf({ atMs }: Request, { bootedMs }: Probe): keyof Requests {
  return atMs < bootedMs ? 'boot' : 'after';
}

function add(counts: Counts, { kind, bytes }: Request): void {
  counts[kind]++;
  counts.bytes += bytes;
}

function memoryOf(
  probes: Probe[],
  { tmpfsBytes }: JobRun,
  ranks: number,
): Pick<Measurement, 'nodeMiB' | 'tmpfsMiB'> {
  const nodes = tmpfsBytes.map((bytes, index) => {
    const tmpfsMiB = bytes / MIB;
    const own = probes.slice(index * ranks, (index + 1) * ranks);
    return {
      tmpfsMiB,
      nodeMiB: own.reduce((total, { privateMiB }) => total + privateMiB, tmpfsMiB),
    };
  });
  return nodes.reduce((a, b) => (b.nodeMiB > a.nodeMiB ? b : a));
}
