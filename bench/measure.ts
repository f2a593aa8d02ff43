/** One job of one contender on the cluster, from a cold start to the end, and everything that is reported of it. */
import type { Contender, Job, Site } from './contenders/contender.ts';
import { type JobRun, type Probe, runJob } from './job-run.ts';
import type { Layout } from './results.ts';
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
  /**
   * Memory of the fullest node that the kernel cannot take back, in MiB: private memory of all its ranks, each at its
   * peak, and the most that was in its tmpfs.
   */
  nodeMiB: number;
  /** The part of it that is tmpfs. */
  tmpfsMiB: number;
  /** Bytes that all nodes together received over the network, in MiB. */
  networkMiB: number;
  /** How much of the time all processors were busy, 0 to 1. */
  busy: number;
}

/** Enough for what walla asks; of others it is a sample. */
const MOST_PATHS = 50;
const MIB = 1 << 20;

/**
 * Runs one job with cold caches on the first `nodes` nodes of the cluster.
 * @throws if the job fails, or runs longer than `timeoutMs`
 */
export async function measure(
  contender: Contender,
  job: Job,
  site: Site,
  layout: Layout,
  server: SharedFsOptions,
  timeoutMs: number,
): Promise<Measurement> {
  const nodes = site.cluster.nodes.slice(0, layout.nodes);
  await contender.before?.(nodes, site, job);
  const shared = await SharedFs.mount(nodes, site.shared, { ...server, trace: true });
  let run: JobRun;
  let report: SharedFsReport;
  try {
    run = await runJob(site, job, layout, timeoutMs);
  } finally {
    try {
      await contender.after?.(nodes, site);
    } finally {
      report = await shared.unmount();
    }
  }
  return {
    seconds: (Math.max(...run.firstLineMs.values()) - run.startMs) / 1000,
    phases: phasesOf(run),
    ...countRequests(report.requests, run.probes),
    ...memoryOf(run, layout.ranks),
    networkMiB: run.networkBytes / MIB,
    busy: run.busy,
  };
}

function phasesOf({ startMs, firstLineMs, stderr, probes }: JobRun): Phases {
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
  { probes, tmpfsBytes }: JobRun,
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
