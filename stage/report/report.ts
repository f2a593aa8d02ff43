/**
 * A report of one job: what its ranks asked for that the archive does not hold. `FILE.d/` has its parts: `job.json`
 * from rank 0, and for each node `<host>.jsonl` with a line from each process that missed something. `FILE` is the
 * sum of them.
 */

export const REPORT_FORMAT = 'walla-report-1';

export interface PhaseSpread {
  minMs: number;
  medianMs: number;
  maxMs: number;
  slowestRank: number;
  slowestHost: string;
}

/** What rank 0 knows of the job. */
export interface ReportedJob {
  format: typeof REPORT_FORMAT;
  /** Version of walla. */
  walla: string;
  /** Path or URL of the archive. */
  archive: string;
  /** Absolute path of the archive's root, and of the programs that it was packed for. */
  root: string;
  programs: string[];
  /** Number of ranks. */
  size: number;
  /** How long staging took over the ranks, by phase. */
  phases: Record<string, PhaseSpread>;
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

/** One process of the job. */
export interface ReportPart {
  rank: number;
  /** Names that the archive answered; from the rank's own process alone, not from children and workers. */
  hits?: number;
  misses: Miss[];
  /** Different misses beyond those that a process keeps. */
  unlisted: number;
}

export interface Report extends ReportedJob {
  /** Names that the archive answered on rank 0. */
  hits: number;
  /** `ranks` in the notation of launchers: `0-3,7`. */
  misses: (Miss & { ranks: string })[];
  unlisted: number;
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

/** Adds the parts of all processes up. */
export function mergeParts(job: ReportedJob, parts: readonly ReportPart[]): Report {
  const merged = new Map<string, { miss: Miss; ranks: Set<number> }>();
  let hits = 0;
  let unlisted = 0;
  for (const part of parts) {
    if (part.rank === 0) hits += part.hits ?? 0;
    unlisted += part.unlisted;
    for (const miss of part.misses) {
      const known = merged.get(missKey(miss));
      if (known === undefined) {
        merged.set(missKey(miss), { miss: { ...miss }, ranks: new Set([part.rank]) });
        continue;
      }
      known.miss.count += miss.count;
      known.ranks.add(part.rank);
    }
  }
  const inOrder = [...merged].sort(([a], [b]) => (a < b ? -1 : 1));
  const misses = inOrder.map(([, { miss, ranks }]) => ({ ...miss, ranks: rankRanges(ranks) }));
  return { ...job, hits, misses, unlisted };
}

function rankRanges(ranks: ReadonlySet<number>): string {
  const sorted = [...ranks].sort((a, b) => a - b);
  const ranges: [first: number, last: number][] = [];
  for (const rank of sorted) {
    const last = ranges.at(-1);
    if (last?.[1] === rank - 1) last[1] = rank;
    else ranges.push([rank, rank]);
  }
  return ranges
    .map(([first, last]) => (first === last ? String(first) : `${first}-${last}`))
    .join(',');
}
