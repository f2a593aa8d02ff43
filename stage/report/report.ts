/**
 * A report of one job: how long its ranks took, what their modules cost, and what they asked for that the archive does
 * not hold. docs/report.md explains each field. `FILE.d/` has its parts: `job.json` from rank 0, and for each node
 * `<host>.jsonl` with a line from each process that adds something. `FILE` is the sum of them.
 */
import type { PhaseTime } from '../job.ts';
import type { Distribution } from './distribution.ts';

/** Changes whenever a reader of the one before would go wrong. */
export const REPORT_FORMAT = 'walla-report-2';

/** One phase of staging, over all ranks. Milliseconds. */
export interface PhaseSummary {
  /** The phase that it is a part of. */
  within?: string;
  /** When the first rank began it. */
  startMs: number;
  /** When the last rank ended it. */
  endMs: number;
  /** What ranks took themselves. */
  work: Distribution;
  /** How long they then waited for the others. */
  wait: Distribution;
}

/** One phase on one rank. Milliseconds. */
export interface TimelineSpan {
  phase: string;
  within?: string;
  startMs: number;
  workMs: number;
  waitMs: number;
}

/** One node. */
export interface TimelineRow {
  host: string;
  /** How many ranks are on it. */
  ranks: number;
  /** The rank whose spans these are: rank 0 on its node, elsewhere the one that took longest. */
  rank: number;
  /** Why it is here: it has rank 0, is among the slowest nodes, or stands for those about as fast. */
  why: 'root' | 'slowest' | 'sample';
  /** Its place among all nodes by the work of its slowest rank: 0 for the fastest, 1 for the slowest. */
  quantile: number;
  spans: TimelineSpan[];
}

/** What staging took. */
export interface Staging {
  /** Number of nodes. */
  nodes: number;
  /** In the order in which they began. */
  phases: Record<string, PhaseSummary>;
  /** By rank; of a large job a choice of nodes. */
  timeline: TimelineRow[];
  /** Bytes that node leaders received or copied; absent where all nodes had the image. */
  received?: Distribution;
}

/** What rank 0 knows of the job. */
export interface ReportedJob extends Staging {
  format: typeof REPORT_FORMAT;
  /** Version of walla, and of Node.js. */
  walla: string;
  node: string;
  /** When rank 0's process began, milliseconds since the epoch: zero of all times here. */
  startedAtMs: number;
  /** The instant by which other clocks are set, on rank 0's: see `rankClock`. */
  syncMs: number;
  /** Path or URL of the archive, its name (SHA-256 of the manifest) and its size. */
  archive: string;
  identity: string;
  bytes: number;
  /** Whether this job packed it. */
  packed: boolean;
  /** The comparison with the source tree, by rank 0; absent where it was packed just now or another process compared. */
  stale?: StaleSummary;
  /** Absolute path of the archive's root, and of the programs that it was packed for. */
  root: string;
  programs: string[];
  /** Number of ranks. */
  size: number;
}

export interface StaleSummary {
  /** Files, links and directories compared. */
  compared: number;
  startMs: number;
  ms: number;
}

/** A name that Node.js had to answer. */
export interface ResolutionMiss {
  kind: 'import' | 'require';
  specifier: string;
  /** Absolute path of the asking file. */
  parent: string;
  /** Absolute path of the file it led to, if it led to one that is known. */
  resolved?: string;
}

/** A file that was read from the real file system. */
export interface ReadMiss {
  kind: 'read';
  path: string;
}

export type Miss = (ResolutionMiss | ReadMiss) & {
  /** How often. */
  count: number;
};

/** One module on rank 0. Milliseconds. */
export interface ModuleTime {
  /** Relative to the archive's root where it is below, else absolute, or a URL. */
  path: string;
  kind: 'import' | 'require';
  /** Which module of this list asked first. */
  parent?: number;
  /** Whether it came from the archive; otherwise Node.js read the real file. */
  packed: boolean;
  bytes?: number;
  /** When it was first asked for. */
  askedMs: number;
  /** To find and read it; absent where that cannot be measured. */
  loadMs?: number;
  /** When its code began to run; absent where that cannot be measured. */
  evaluatedMs?: number;
  /** To compile and run its own code, without what it requires. */
  selfMs?: number;
  /** The same with what it requires meanwhile. */
  totalMs?: number;
}

/** How long one rank staged, on its own clock. */
export interface RankTimes {
  rank: number;
  host: string;
  /** When its process began, milliseconds since the epoch. */
  timeOriginMs: number;
  receivedBytes: number;
  times: PhaseTime[];
}

/** How the program of one rank ran, on its own clock. Milliseconds. */
export interface ProgramTime {
  syncMs: number;
  startMs: number;
  endMs: number;
  exitCode: number;
}

/** One process of the job. */
export interface ReportPart {
  rank: number;
  host: string;
  /** Names that the archive answered; from the rank's own process alone, not from children and workers. */
  hits?: number;
  misses: Miss[];
  /** Different misses beyond those that a process keeps. */
  unlisted: number;
  program?: ProgramTime;
  /** Where each process stages by itself. */
  staging?: RankTimes;
  modules?: ModuleTime[];
  unlistedModules?: number;
}

/** What ranks did after staging; of a large job, some of them tell. */
export interface ProgramSummary {
  startMs: number;
  endMs: number;
  /** From the end of staging to the end of the process. */
  ran: Distribution;
  /** Names that the archive answered, and names and reads that it did not. */
  hits: Distribution;
  misses: Distribution;
  /** How many ranks ended with which exit code. */
  exitCodes: Record<string, number>;
}

export interface Report extends ReportedJob {
  /** Absent where rank 0 was killed. */
  program?: ProgramSummary;
  /** Names that the archive answered on rank 0. */
  hits: number;
  /** `ranks` in the notation of launchers: `0-3,7`. */
  misses: (Miss & { ranks: string })[];
  unlisted: number;
  /** By the time at which they were asked for; the most expensive ones of a large program. */
  modules: ModuleTime[];
  unlistedModules: number;
}

/** The directory of a report's parts. */
export function partsDirectory(file: string): string {
  return `${file}.d`;
}

/** What identifies a miss. */
export function missKey(miss: Miss): string {
  return miss.kind === 'read'
    ? `read\0${miss.path}`
    : `${miss.kind}\0${miss.parent}\0${miss.specifier}`;
}
