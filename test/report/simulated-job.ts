/** The report of a job of any size, from made-up times through the real merging. */
import type { PhaseTime } from '../../stage/job.ts';
import { mergeParts } from '../../stage/report/merge.ts';
import {
  type Miss,
  type ModuleTime,
  type RankTimes,
  type Report,
  REPORT_FORMAT,
  type ReportedJob,
  type ReportPart,
} from '../../stage/report/report.ts';
import { withStaging } from '../../stage/report/reported-job.ts';

export interface SimulatedJob {
  ranks: number;
  ranksPerNode: number;
  /** Node whose leader takes ten times as long to extract. */
  slowNode?: number;
  /** Modules that rank 0 loads. */
  modules?: number;
  misses?: Miss[];
  /** A few characters for host and module names. */
  flavour?: string;
  /** Whether ranks agree, as under MPI. */
  together?: boolean;
}

/** Phases with what a rank takes for each, in milliseconds. */
const PHASES: readonly (readonly [phase: string, ms: number])[] = [
  ['boot', 1],
  ['locate', 40],
  ['reserve', 6],
  ['transfer', 90],
  ['extract', 60],
  ['hold', 1],
  ['attach', 1],
];

/** The same numbers each time: mulberry32, public domain. */
export function randomNumbers(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

export function hostOf(rank: number, { ranksPerNode, flavour = '' }: SimulatedJob): string {
  return `nid${String(Math.floor(rank / ranksPerNode)).padStart(5, '0')}${flavour}`;
}

export function simulateReport(job: SimulatedJob): Report {
  const { together = true, misses = [] } = job;
  const ranks = simulateRanks(job);
  const first = ranks[0];
  if (!first) throw new Error('a job has a rank');
  const begun: ReportedJob = {
    format: REPORT_FORMAT,
    walla: '0.0.0',
    node: 'v22.0.0',
    startedAtMs: first.timeOriginMs,
    syncMs: 0,
    archive: '/shared/app/app.walla',
    identity: 'a'.repeat(64),
    bytes: 70_000_000,
    packed: false,
    stale: { compared: 3000, startMs: 60, ms: 30 },
    root: '/shared/app',
    programs: ['/shared/app/app.mjs'],
    size: job.ranks,
    nodes: 0,
    phases: {},
    timeline: [],
  };
  const reported = withStaging(begun, ranks, together);
  const stride = Math.ceil(job.ranks / 256);
  const random = randomNumbers(2);
  const parts = ranks
    .filter(({ rank }) => rank % stride === 0)
    .map((rank): ReportPart => {
      const boot = rank.times.find(({ phase }) => phase === 'boot');
      const startMs = Math.max(...rank.times.map((time) => time.startMs + time.ms));
      return {
        rank: rank.rank,
        host: rank.host,
        hits: 3800,
        misses,
        unlisted: 0,
        program: {
          syncMs: together && boot ? boot.startMs + boot.ms : -rank.timeOriginMs,
          startMs,
          endMs: startMs + 60_000 * (1 + 0.1 * random()),
          exitCode: 0,
        },
        ...(!together && { staging: rank }),
        ...(rank.rank === 0 && { modules: simulateModules(job), unlistedModules: 0 }),
      };
    });
  return mergeParts(reported, parts);
}

/** Ranks start within half a second of each other; each phase ends when the slowest rank has done its work. */
function simulateRanks(job: SimulatedJob): RankTimes[] {
  const random = randomNumbers(1);
  const works = Array.from({ length: job.ranks }, (_, rank) => {
    const isLeader = rank % job.ranksPerNode === 0;
    const isSlow = Math.floor(rank / job.ranksPerNode) === job.slowNode;
    return PHASES.map(([phase, ms]) => {
      if (phase === 'locate') return rank === 0 ? ms : 0.1;
      const mine = isLeader || phase === 'boot' || phase === 'attach' ? ms : 0.1;
      return mine * (0.8 + 0.4 * random()) * (isSlow && phase === 'extract' ? 10 : 1);
    });
  });
  const longest = PHASES.map((_, phase) =>
    works.reduce((most, work) => Math.max(most, work[phase] ?? 0), 0),
  );
  return works.map((work, rank) => {
    const lateMs = 500 * random();
    const nodeMs = 40 + 20 * random();
    const times: PhaseTime[] = [
      { phase: 'node', startMs: 0, workMs: nodeMs, ms: nodeMs },
      { phase: 'mpi', startMs: nodeMs, workMs: 800 - lateMs - nodeMs, ms: 800 - lateMs - nodeMs },
    ];
    let startMs = 800 - lateMs;
    PHASES.forEach(([phase], index) => {
      const ms = longest[index] ?? 0;
      times.push({ phase, startMs, workMs: work[index] ?? 0, ms });
      startMs += ms;
    });
    times.push({ phase: 'hooks', startMs, workMs: 8, ms: 8 });
    return {
      rank,
      host: hostOf(rank, job),
      timeOriginMs: 1_700_000_000_000 + lateMs,
      receivedBytes: rank % job.ranksPerNode === 0 ? 70_000_000 : 0,
      times,
    };
  });
}

function simulateModules({ modules = 0, flavour = '' }: SimulatedJob): ModuleTime[] {
  const random = randomNumbers(3);
  return Array.from({ length: modules }, (_, index) => {
    const isImport = index % 3 === 0;
    const askedMs = 1100 + index * 0.4;
    const selfMs = random() ** 8 * 30;
    return {
      path: `node_modules/package-${index % 40}${flavour}/lib/module-${index}.js`,
      kind: isImport ? ('import' as const) : ('require' as const),
      ...(index > 0 && { parent: Math.floor(index / 3) }),
      packed: index % 97 !== 0,
      bytes: Math.round(random() * 20_000),
      askedMs,
      loadMs: random() ** 4 * 2,
      ...(!isImport && { evaluatedMs: askedMs + 1, selfMs, totalMs: selfMs * 1.5 }),
    };
  });
}
