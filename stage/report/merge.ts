/** Adds the parts of all processes up: pure, without files. */
import { distribute, type Distribution, round } from './distribution.ts';
import {
  type Miss,
  missKey,
  type ProgramSummary,
  type ProgramTime,
  type Report,
  type ReportedJob,
  type ReportPart,
  type TimelineRow,
} from './report.ts';
import { summarizeStaging } from './staging.ts';

/** Ranges of ranks that are written out for one miss. */
const MOST_RANGES = 32;

export function mergeParts(job: ReportedJob, parts: readonly ReportPart[]): Report {
  const staged = parts.flatMap(({ staging }) => staging ?? []).sort((a, b) => a.rank - b.rank);
  // Without MPI each process knows of itself alone.
  const staging = staged.length > 0 ? summarizeStaging(staged, false) : {};
  const told = parts.filter(isTold);
  const merged: ReportedJob = { ...job, ...staging };
  const program = summarizeProgram(told, job);
  const { modules = [], unlistedModules = 0 } = parts.find(({ modules }) => modules) ?? {};
  return {
    ...merged,
    timeline: merged.timeline.map((row) => withProgram(row, told, job)),
    ...(program && { program }),
    hits: parts.reduce((sum, { rank, hits }) => sum + (rank === 0 ? (hits ?? 0) : 0), 0),
    misses: mergeMisses(parts),
    unlisted: parts.reduce((sum, part) => sum + part.unlisted, 0),
    modules,
    unlistedModules,
  };
}

function mergeMisses(parts: readonly ReportPart[]): Report['misses'] {
  const merged = new Map<string, { miss: Miss; ranks: Set<number> }>();
  for (const part of parts)
    for (const miss of part.misses) {
      const known = merged.get(missKey(miss));
      if (known === undefined) {
        merged.set(missKey(miss), { miss: { ...miss }, ranks: new Set([part.rank]) });
        continue;
      }
      known.miss.count += miss.count;
      known.ranks.add(part.rank);
    }
  const inOrder = [...merged].sort(([a], [b]) => (a < b ? -1 : 1));
  return inOrder.map(([, { miss, ranks }]) => ({ ...miss, ranks: rankRanges(ranks) }));
}

type ToldPart = ReportPart & { program: ProgramTime };

function isTold(part: ReportPart): part is ToldPart {
  return part.program !== undefined;
}

function summarizeProgram(
  parts: readonly ToldPart[],
  job: ReportedJob,
): ProgramSummary | undefined {
  const spread = (value: (part: ToldPart) => number): Distribution | undefined =>
    distribute(parts.map((part) => ({ rank: part.rank, host: part.host, value: value(part) })));
  const ran = spread(({ program }) => program.endMs - program.startMs);
  const hits = spread((part) => part.hits ?? 0);
  const misses = spread((part) => part.misses.reduce((sum, { count }) => sum + count, 0));
  if (!ran || !hits || !misses) return undefined;
  const exitCodes: Record<string, number> = {};
  let startMs = Infinity;
  let endMs = -Infinity;
  for (const { program } of parts) {
    const { exitCode } = program;
    exitCodes[exitCode] = (exitCodes[exitCode] ?? 0) + 1;
    startMs = Math.min(startMs, program.startMs + shiftOf(program, job));
    endMs = Math.max(endMs, program.endMs + shiftOf(program, job));
  }
  return { startMs: round(startMs), endMs: round(endMs), ran, hits, misses, exitCodes };
}

function withProgram(row: TimelineRow, parts: readonly ToldPart[], job: ReportedJob): TimelineRow {
  const program = parts.find(({ rank }) => rank === row.rank)?.program;
  if (!program) return row;
  const span = {
    phase: 'program',
    startMs: round(program.startMs + shiftOf(program, job)),
    workMs: round(program.endMs - program.startMs),
    waitMs: 0,
  };
  return { ...row, spans: [...row.spans, span] };
}

/** From a rank's clock to rank 0's. */
function shiftOf({ syncMs }: ProgramTime, job: ReportedJob): number {
  return job.syncMs - syncMs;
}

/** `0-3,7`; of very many ranges the first, and `...`. */
export function rankRanges(ranks: ReadonlySet<number>): string {
  const sorted = [...ranks].sort((a, b) => a - b);
  const ranges: [first: number, last: number][] = [];
  for (const rank of sorted) {
    const last = ranges.at(-1);
    if (last?.[1] === rank - 1) last[1] = rank;
    else ranges.push([rank, rank]);
  }
  const written = ranges
    .slice(0, MOST_RANGES)
    .map(([first, last]) => (first === last ? String(first) : `${first}-${last}`));
  return [...written, ...(ranges.length > MOST_RANGES ? ['...'] : [])].join(',');
}
