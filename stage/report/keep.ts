/** Entry of dist/report.cjs: keeps the report of this process, from its start to its end. */
import type { Misses } from '../../loader/misses.ts';
import { Module } from '../../loader/node-internals.ts';
import type { NativeImage } from '../../native/addon.ts';
import { detectLocalRank } from '../../native/launcher.ts';
import { MissRecorder } from './miss-recorder.ts';
import { addPart, isSummedUp, sumUp } from './report-files.ts';
import type { ReportPlace } from './report-place.ts';
import { warn } from './warn.ts';

export { beginReport, writeJob } from './report-files.ts';
export { reportedJob, spreads } from './reported-job.ts';

if (typeof __filename === 'string') Reflect.deleteProperty(Module._cache, __filename);

/** In a larger job the ranks that end after rank 0 leave their parts: `walla pack --learn` adds them. */
const MOST_SUMMING_RANKS = 256;

/**
 * @param hits tells how many names the archive has answered; undefined in children and workers
 */
export function keepReport(
  image: NativeImage,
  roots: readonly string[],
  place: ReportPlace,
  hits: (() => number) | undefined,
): Misses {
  const recorder = new MissRecorder(image, roots, place);
  const isFirst = place.rank === 0 && hits !== undefined;
  process.on('exit', () => {
    try {
      const part = recorder.part(hits?.());
      const isNews = part.misses.length > 0;
      if (isNews || isFirst) addPart(place.file, part);
      const isLate = isNews && place.size <= MOST_SUMMING_RANKS && isSummedUp(place.file);
      if (isFirst || isLate) sumUp(place.file);
    } catch (error) {
      // Once a node is as few as it gets: nobody is asked any more.
      if ((detectLocalRank(process.env) ?? 0) === 0) warn(place.file, error);
    }
  });
  return recorder;
}
