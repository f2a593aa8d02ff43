/**
 * V8 is set for programs whose objects mostly die young. What a program allocates while it loads stays:
 * modules, code, closures. Once a program has shown to be large, V8 hears of it.
 */
import type { NativeImage } from '../native/addon.ts';
import { loadAddon } from '../native/load-addon.ts';
import { isMainThread } from './node-features.ts';
import { growYoungGeneration } from './young-generation.ts';

/** As many modules make a program large, */
const LARGE_MODULES = 16;
/** and as many, if its archive resolves so many specifiers. The earlier V8 hears of it, the more it helps. */
const FIRST_MODULES = 8;
const MANY_RESOLUTIONS = 1000;

let left = isMainThread ? LARGE_MODULES : 0;

/** To be called before the program loads anything. */
export function expectProgram(image: NativeImage): void {
  if (isMainThread && image.resolutionCount >= MANY_RESOLUTIONS) left = FIRST_MODULES;
}

/** To be called for each module that the program loads. */
export function countModule(): void {
  if (left === 0 || --left > 0) return;
  growYoungGeneration();
  loadAddon().programLoads();
}
