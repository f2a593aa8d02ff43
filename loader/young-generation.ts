/**
 * A program that starts allocates tens of megabytes that stay: modules, code, closures. V8 begins with
 * a young generation of 1 MiB and doubles it step by step, and so copies what stays again and again:
 * about a tenth of the start-up time of a large program. Once a program has shown to be large,
 * the young generation grows in one step to the size that it would have reached anyway.
 */
import { hasFlagOrValue, isMainThread } from './node-features.ts';

/** As many modules make a program large. */
const LARGE_MODULES = 64;
/** V8's own factor, and one that reaches 16 MiB in a step: v8/src/flags/flag-definitions.h, `semi_space_growth_factor`. */
const FLAG = '--semi-space-growth-factor';
const USUAL_FACTOR = 2;
const STEEP_FACTOR = 16;
/** Small arrays, a few megabytes: the young generation grows when more than its size has survived. */
const SURVIVORS = 20_000;

let left = isMainThread && !hasFlagOrValue(FLAG) ? LARGE_MODULES : 0;

/** To be called for each module that the program loads. */
export function countModule(): void {
  if (left > 0 && --left === 0) grow();
}

/** Takes some milliseconds. The flag is as before afterwards. */
function grow(): void {
  const { setFlagsFromString } = process.getBuiltinModule('node:v8');
  setFlagsFromString(`${FLAG}=${STEEP_FACTOR}`);
  survive(SURVIVORS);
  setFlagsFromString(`${FLAG}=${USUAL_FACTOR}`);
}

function survive(count: number): number {
  const kept = new Array<number[]>(count);
  for (let i = 0; i < count; i++) kept[i] = [i, i, i, i, i, i];
  return kept.length;
}
