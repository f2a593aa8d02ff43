import { join } from 'node:path';
import type { PhaseTime } from '../job.ts';
import { WALLA_VERSION } from '../version.ts';
import { type PhaseSpread, REPORT_FORMAT, type ReportedJob } from './report.ts';

/** How long the phases took on one rank. */
export interface RankTimes {
  host: string;
  times: PhaseTime[];
}

/** @param entries programs of the archive, relative to its root */
export function reportedJob(
  archive: string,
  root: string,
  entries: readonly string[],
  size: number,
): ReportedJob {
  const programs = entries.map((entry) => join(root, entry));
  return { format: REPORT_FORMAT, walla: WALLA_VERSION, archive, root, programs, size, phases: {} };
}

/** @param ranks by rank */
export function spreads(ranks: readonly RankTimes[]): Record<string, PhaseSpread> {
  const phases: Record<string, PhaseSpread> = {};
  for (const { phase } of ranks[0]?.times ?? []) {
    const spread = ranks
      .map(({ host, times }, rank) => ({
        rank,
        host,
        ms: times.find((time) => time.phase === phase)?.ms ?? 0,
      }))
      .sort((a, b) => a.ms - b.ms);
    const least = spread[0];
    const middle = spread[spread.length >> 1];
    const most = spread.at(-1);
    if (!least || !middle || !most) continue;
    phases[phase] = {
      minMs: rounded(least.ms),
      medianMs: rounded(middle.ms),
      maxMs: rounded(most.ms),
      slowestRank: most.rank,
      slowestHost: most.host,
    };
  }
  return phases;
}

function rounded(ms: number): number {
  return Math.round(ms * 100) / 100;
}
