/**
 * A program that starts allocates tens of megabytes that stay: modules, code, closures. V8 begins with
 * a young generation of 1 MiB and doubles it step by step, and so copies what stays again and again:
 * about a tenth of the start-up time of a large program. It can grow in one step to the size that it
 * would reach anyway.
 */
import { hasFlagOrValue } from './node-features.ts';

/** V8's own factor, and one that reaches V8's limit in a step, 16 or 32 MiB: v8/src/flags/flag-definitions.h, `semi_space_growth_factor`. */
const FLAG = '--semi-space-growth-factor';
const USUAL_FACTOR = 2;
const STEEP_FACTOR = 32;
/** The young generation has grown when it has as much room as this, in bytes. */
const ROOM = 4 << 20;
/** V8 grows it once more than its size has survived. These survive in little time: numbers alone, 8 KB in an array. */
const NUMBERS = 1000;
const ARRAYS_PER_LOOK = 32;
/** 8 MiB: if so much does not make it grow, nothing will. */
const MAX_LOOKS = 32;

/** Takes some milliseconds. The flag is as before afterwards. Where the user sets it, nothing is done. */
export function growYoungGeneration(): void {
  if (hasFlagOrValue(FLAG)) return;
  const v8 = process.getBuiltinModule('node:v8');
  const room = () =>
    v8.getHeapSpaceStatistics().find(({ space_name }) => space_name === 'new_space')
      ?.space_available_size ?? ROOM;
  const survivors: number[][] = [];
  v8.setFlagsFromString(`${FLAG}=${STEEP_FACTOR}`);
  for (let looks = 0; looks < MAX_LOOKS && room() < ROOM; looks++) {
    for (let i = 0; i < ARRAYS_PER_LOOK; i++) survivors.push(new Array<number>(NUMBERS).fill(0.5));
  }
  v8.setFlagsFromString(`${FLAG}=${USUAL_FACTOR}`);
}
