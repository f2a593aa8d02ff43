import { join } from 'node:path';
import type { LocatedArchive } from '../opened-archive.ts';
import { WALLA_VERSION } from '../version.ts';
import { round } from './distribution.ts';
import { type RankTimes, REPORT_FORMAT, type ReportedJob } from './report.ts';
import { rankClock, summarizeStaging } from './staging.ts';

/** What rank 0 knows once it has found the archive. */
export function reportedJob(archive: LocatedArchive, size: number): ReportedJob {
  const { path, identity, bytes, manifest, roots, packed, stale } = archive;
  const root = roots[0] ?? '/';
  return {
    format: REPORT_FORMAT,
    walla: WALLA_VERSION,
    node: process.version,
    startedAtMs: Math.round(performance.timeOrigin),
    syncMs: 0,
    archive: path,
    identity,
    bytes,
    packed: packed !== undefined,
    ...(stale && {
      stale: {
        compared: stale.compared,
        startMs: round(stale.startMs),
        ms: round(stale.ms),
      },
    }),
    root,
    programs: manifest.entries.map((entry) => join(root, entry)),
    size,
    nodes: 0,
    phases: {},
    timeline: [],
  };
}

/** The parts of `locate` that have times of their own. */
export function withParts(
  mine: RankTimes,
  archive: Pick<LocatedArchive, 'packed' | 'stale'> | undefined,
): RankTimes {
  const times = [...mine.times];
  const add = (phase: string, { startMs, ms }: { startMs: number; ms: number }): void => {
    times.push({ phase, within: 'locate', startMs, workMs: ms, ms });
  };
  if (archive?.packed) add('pack', archive.packed);
  if (archive?.stale) add('compare', archive.stale);
  return { ...mine, times };
}

/**
 * @param ranks all of them
 * @param together whether they agreed on each phase
 */
export function withStaging(
  job: ReportedJob,
  ranks: readonly RankTimes[],
  together: boolean,
): ReportedJob {
  const syncMs = ranks[0] ? rankClock(ranks[0], together) : 0;
  return { ...job, syncMs, ...summarizeStaging(ranks, together) };
}
