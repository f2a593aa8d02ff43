/**
 * V8 is set for programs whose objects mostly die young. What a program allocates while it loads stays:
 * modules, code, closures. Once a program has shown to be large, V8 hears of it.
 */
import { loadAddon } from '../native/load-addon.ts';
import { isMainThread } from './node-features.ts';
import { growYoungGeneration } from './young-generation.ts';

/** As many modules make a program large. */
const LARGE_MODULES = 16;

let left = isMainThread ? LARGE_MODULES : 0;

/** To be called for each module that the program loads. */
export function countModule(): void {
  if (left === 0 || --left > 0) return;
  growYoungGeneration();
  loadAddon().programLoads();
}
