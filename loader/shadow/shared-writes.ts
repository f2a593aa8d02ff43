/**
 * Writes of the process's other threads: its files are theirs too. A thread that is alone asks nobody.
 */
import { loadAddon } from '../../native/load-addon.ts';
import { isMainThread } from '../node-features.ts';

/** Whether this process may have other threads that run the program's code. */
let hasOthers = !isMainThread;

/** To be called before this thread makes another. */
export function noteOtherThread(): void {
  hasOthers = true;
}

export class SharedWrites {
  /** How many of the process's writes this thread knows, its own included. */
  #known = 0;

  /** Tells the other threads, those that are still to come included, of a path that is about to be written. */
  note(path: string): void {
    loadAddon().noteWritten(path);
  }

  /** @param learn gets each path that was noted since the last call */
  catchUp(learn: (path: string) => void): void {
    if (!hasOthers) return;
    const paths = loadAddon().writtenAfter(this.#known);
    if (paths === undefined) return;
    this.#known += paths.length;
    for (const path of paths) learn(path);
  }
}
