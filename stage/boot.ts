/** Decides what this thread has to do at start: nothing, attach, or stage with the other ranks. */
import { isHooksThread, isMainThread } from '../loader/node-features.ts';
import { Module } from '../loader/node-internals.ts';
import { Communicator } from '../native/communicator.ts';
import { isMpiUp, openStagingMpi, releaseMpi } from '../native/world.ts';
import { WallaError } from './errors.ts';
import { fail } from './failure.ts';
import { faultAt } from './fault.ts';
import { type PhaseTime, timed } from './job.ts';
import { locateEarly } from './locate.ts';
import { readOptions, type StageOptions } from './options.ts';
import { holdOwnCopy } from './own-copy.ts';
import { attachInherited, stage } from './stage.ts';
import { withoutAborts } from './no-aborts.ts';
import { isForeignPlatform, lacksNativeCore, runUnstaged } from './unstaged.ts';
import { processMs } from './process-clock.ts';

const DONE = Symbol.for('walla.stage');

/** Never throws: a failure ends the process, or is said and the program runs unstaged (unstaged.ts). */
export function preload(): void {
  const nodeMs = processMs();
  // Not on globalThis, whose names programs list.
  const shared = Module as { [DONE]?: true };
  // The same file can come twice, by --import and through NODE_OPTIONS.
  if (isHooksThread || shared[DONE] || process.env['WALLA'] === 'off') return;
  Object.defineProperty(shared, DONE, { value: true });
  if (isForeignPlatform()) return runUnstaged();
  withoutAborts(() => stageOrAttach(nodeMs));
}

function stageOrAttach(nodeMs: number): void {
  try {
    if (isMainThread) holdOwnCopy();
    if (process.env['WALLA_ATTACH'] && attachInherited(readOptions(process.env))) return;
    if (!isMainThread) return; // a worker whose main thread did not stage
    faultAt('start');
    locateEarly(process.env);
    const times: PhaseTime[] = [{ phase: 'node', startMs: 0, workMs: nodeMs, ms: nodeMs }];
    const { world, launcher, problem } = timed(times, { phase: 'mpi' }, () => openStagingMpi());
    stage(new Communicator(world), launcher.release, times, (): StageOptions => {
      // Without MPI, which an earlier program of this rank has used up, staging does as well.
      if (problem && isMpiUp()) throw problem;
      return readOptions(process.env);
    });
    if (launcher.release) releaseMpi();
  } catch (thrown) {
    const error = WallaError.from(thrown);
    if (lacksNativeCore(error)) runUnstaged();
    else fail(error);
  }
}
