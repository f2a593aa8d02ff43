/** The one line that WALLA_VERBOSE=1 prints for a job. */
import { writeSync } from 'node:fs';
import { formatBytes } from './format-bytes.ts';
import type { Job } from './job.ts';
import type { StaleCheck } from './stale-check.ts';
import type { ArchivePlan, PlacedImage } from './place.ts';

/** Collective over the job's world: counts the nodes that received the image. */
export function summary(
  job: Job,
  plan: ArchivePlan,
  placed: PlacedImage,
  archive: { packed?: object; stale?: StaleCheck } | undefined,
): void {
  const { world, times } = job;
  const received = new Float64Array([placed.receivedBytes > 0 ? 1 : 0]);
  world.allreduce(received, 'sum');
  if (world.rank !== 0) return;
  const whole = times.filter(({ within }) => within === undefined);
  const phases = whole.map(({ phase, ms }) => `${phase} ${ms.toFixed(0)}`).join(', ');
  const how = archive?.packed ? ' (packed just now)' : '';
  const stale = archive?.stale;
  const compared = stale
    ? `; compared ${stale.compared} entries with the tree in ${stale.ms.toFixed(0)} ms`
    : '';
  writeSync(
    2,
    `walla: staged ${plan.path}${how}, ${formatBytes(plan.bytes)}, for ${world.size} ranks; ` +
      `${received[0] ?? 0} nodes received it${compared}; ms: ${phases}\n`,
  );
}
