/** The little of a report that every preload carries; the rest is loaded where WALLA_REPORT asks for it. */
import nodeModule from 'node:module';
import { hostname } from 'node:os';
import { resolve } from 'node:path';
import type { Misses } from '../../loader/misses.ts';
import type { NativeImage } from '../../native/addon.ts';
import { packageDirectory } from '../../native/addon-path.ts';
import type { Communicator } from '../../native/communicator.ts';
import { launchedRank, launchedSize } from '../../native/launcher.ts';
import type { Job } from '../job.ts';
import type { LocatedArchive } from '../opened-archive.ts';
import type * as Keep from './keep.ts';
import type { RankTimes, ReportedJob } from './report.ts';
import type { ReportPlace } from './report-place.ts';
import { warn } from './warn.ts';

/** A report that rank 0 has begun. */
export interface BegunReport extends Omit<ReportPlace, 'rank'> {
  job: ReportedJob;
}

let keeper: typeof Keep | undefined;

/** The part of walla that keeps reports. */
function loadKeeper(): typeof Keep {
  const file = `${packageDirectory()}/dist/report.cjs`;
  return (keeper ??= nodeModule.createRequire(file)(file) as typeof Keep);
}

/**
 * Keeps the report of this process until it ends.
 * @param hits tells how many names the archive has answered; undefined in children and workers
 */
export function startReport(
  image: NativeImage,
  roots: readonly string[],
  place: ReportPlace,
  hits: (() => number) | undefined,
): Misses | undefined {
  try {
    return loadKeeper().keepReport(image, roots, place, hits);
  } catch (error) {
    warn(place.file, error);
    return undefined;
  }
}

/**
 * Begins the report of a job, on rank 0. Not collective.
 * @param file WALLA_REPORT, if there is one
 * @returns undefined where it cannot be written, which is said once
 */
export function beginReport(
  file: string | undefined,
  archive: LocatedArchive,
  size: number,
): BegunReport | undefined {
  if (file === undefined) return undefined;
  const absolute = resolve(file);
  try {
    const keeper = loadKeeper();
    const ranks = size > 1 ? size : (launchedSize(process.env) ?? 1);
    const job = keeper.reportedJob(archive, ranks);
    // Without MPI each rank stages by itself: the report of all begins with rank 0.
    const isOthers = size === 1 && launchedRank(process.env) > 0;
    const startedMs = isOthers ? Date.now() : keeper.beginReport(absolute, job);
    return { file: absolute, size: job.size, startedMs, job };
  } catch (error) {
    warn(absolute, error);
    return undefined;
  }
}

/** What this rank and its children need of it. */
export function placeOf(
  { file, size, startedMs }: BegunReport,
  { rank, size: staged }: Communicator,
): ReportPlace {
  return { file, rank: staged > 1 ? rank : launchedRank(process.env), size, startedMs };
}

/**
 * Adds the times of all ranks. Collective over the job's world.
 * @param archive what this rank found, if it looked for it
 */
export function reportTimes(
  { world, times }: Job,
  report: BegunReport,
  receivedBytes: number,
  archive: LocatedArchive | undefined,
): void {
  const { file, job } = report;
  const { rank } = placeOf(report, world);
  const { timeOrigin: timeOriginMs } = performance;
  const mine: RankTimes = { rank, host: hostname(), timeOriginMs, receivedBytes, times };
  const all = world.gatherJson(mine, 0) as RankTimes[] | undefined;
  try {
    loadKeeper().programBegins(file, job, mine, all, world.size > 1, archive);
  } catch (error) {
    warn(file, error);
  }
}
