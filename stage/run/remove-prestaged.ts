/** Removes what was prestaged for a job that is over, where no process uses it. */
import { existsSync } from 'node:fs';
import { given } from '../options.ts';
import { baseCandidates } from '../staging-base.ts';
import { StagingDirectory } from '../staging-directory.ts';

const PAUSE_MS = 50;
/** A launcher may return before the kernel has ended the last rank that it killed. */
const LONGEST_MS = 3000;

/**
 * On this node; not collective. What is to be kept stays, and what a process still uses after some seconds, which the
 * next job removes.
 * @param names of directories in the user's staging directories
 * @throws WallaError, Error with an errno code
 */
export function removePrestaged(names: readonly string[], env: NodeJS.ProcessEnv): void {
  const start = performance.now();
  const bases = baseCandidates(env, given(env['WALLA_DIR']));
  while (bases.map((base) => removeIn(base, names)).includes(false)) {
    if (performance.now() - start > LONGEST_MS) return;
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, PAUSE_MS);
  }
}

/** @returns whether nothing is left that a process uses */
function removeIn(base: string, names: readonly string[]): boolean {
  const directory = new StagingDirectory(base);
  if (!existsSync(directory.path)) return true;
  const unused = names.map((name) => {
    // Whoever holds it ends its lease; the last to let go removes it.
    const held = directory.hold(name, true);
    return held === undefined || directory.release(held);
  });
  directory.removeIfEmpty();
  return !unused.includes(false);
}
