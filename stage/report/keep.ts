/** Entry of dist/report.cjs: keeps the report of this process, from its start to its end. */
import type { Misses } from '../../loader/misses.ts';
import { Module } from '../../loader/node-internals.ts';
import type { NativeImage } from '../../native/addon.ts';
import { detectLocalRank } from '../../native/launcher.ts';
import type { LocatedArchive } from '../opened-archive.ts';
import { MissRecorder } from './miss-recorder.ts';
import { ModuleRecorder } from './module-recorder.ts';
import { addPart, isSummedUp, sumUp, writeJob } from './report-files.ts';
import type { ReportPlace } from './report-place.ts';
import type { ProgramTime, RankTimes, ReportedJob } from './report.ts';
import { withParts, withStaging } from './reported-job.ts';
import { rankClock } from './staging.ts';
import { warn } from './warn.ts';
import { processMs } from '../process-clock.ts';

export { beginReport } from './report-files.ts';
export { reportedJob } from './reported-job.ts';

if (typeof __filename === 'string') Reflect.deleteProperty(Module._cache, __filename);

/** In a larger job the ranks that end after rank 0 leave their parts: `walla report` and `--learn` add them. */
const MOST_SUMMING_RANKS = 256;
/** So many ranks tell how their program ran, at equal distances. */
const MOST_TELLING_RANKS = 256;

/** How this process staged, once it has. */
let staged: { mine: RankTimes; together: boolean; startMs: number } | undefined;

/**
 * @param hits tells how many names the archive has answered; undefined in children and workers
 */
export function keepReport(
  image: NativeImage,
  roots: readonly string[],
  place: ReportPlace,
  hits: (() => number) | undefined,
): Misses {
  const isFirst = place.rank === 0 && hits !== undefined;
  const modules = isFirst ? new ModuleRecorder(image, roots[0] ?? '/') : undefined;
  const recorder = new MissRecorder(image, roots, place, modules);
  const tells = hits !== undefined && place.rank % Math.ceil(place.size / MOST_TELLING_RANKS) === 0;
  process.on('exit', (exitCode) => {
    try {
      const part = {
        ...recorder.part(hits?.()),
        ...(tells && staged && { program: programTime(staged, exitCode) }),
        ...(tells && staged?.together === false && { staging: staged.mine }),
        ...modules?.listed(),
      };
      const isNews = part.misses.length > 0;
      if (isNews || tells) addPart(place.file, part);
      const isLate = isNews && place.size <= MOST_SUMMING_RANKS && isSummedUp(place.file);
      if (isFirst || isLate) sumUp(place.file);
    } catch (error) {
      // Once a node is as few as it gets: nobody is asked any more.
      if ((detectLocalRank(process.env) ?? 0) === 0) warn(place.file, error);
    }
  });
  return recorder;
}

/**
 * Staging is over, and the program begins. Not collective.
 * @param all what each rank took, by rank, on the rank that has gathered it
 * @param together whether the ranks agreed on each phase
 */
export function programBegins(
  file: string,
  job: ReportedJob,
  mine: RankTimes,
  all: readonly RankTimes[] | undefined,
  together: boolean,
  archive: Pick<LocatedArchive, 'packed' | 'stale'> | undefined,
): void {
  const whole = withParts(mine, archive);
  if (mine.rank === 0) writeJob(file, withStaging(job, [whole, ...(all ?? []).slice(1)], together));
  staged = { mine: whole, together, startMs: processMs() };
}

function programTime(
  { mine, together, startMs }: NonNullable<typeof staged>,
  exitCode: number,
): ProgramTime {
  return { syncMs: rankClock(mine, together), startMs, endMs: processMs(), exitCode };
}
