/** Decides what this thread has to do at start: nothing, attach, or stage with the other ranks. */
import { writeSync } from 'node:fs';
import { hostname } from 'node:os';

import { isHooksThread, isMainThread } from '../loader/node-features.ts';
import { Module } from '../loader/node-internals.ts';
import { Communicator } from '../native/communicator.ts';
import {
  abortBeforeMpi,
  failQuietly,
  isMpiUp,
  openStagingMpi,
  releaseMpi,
} from '../native/world.ts';
import { detectLocalRank, launchedRank, launchedSize } from '../native/launcher.ts';
import { WallaError } from './errors.ts';
import { faultAt } from './fault.ts';
import { AgreedError, type PhaseTime, timed } from './job.ts';
import { locateEarly } from './locate.ts';
import { readOptions, type StageOptions } from './options.ts';
import { attachInherited, stage } from './stage.ts';
import { isForeignPlatform, lacksNativeCore, runUnstaged } from './unstaged.ts';

const DONE = Symbol.for('walla.stage');
/** Ample for a launcher to end the job because rank 0 has failed too, and said so. */
const RANK_0_FIRST_MS = 2000;

/** Never throws: a failure ends the process, or is said and the program runs unstaged (unstaged.ts). */
export function preload(): void {
  const nodeMs = performance.now();
  // Not on globalThis, whose names programs list.
  const shared = Module as { [DONE]?: true };
  // The same file can come twice, by --import and through NODE_OPTIONS.
  if (isHooksThread || shared[DONE] || process.env['WALLA'] === 'off') return;
  Object.defineProperty(shared, DONE, { value: true });
  if (isForeignPlatform()) return runUnstaged();
  try {
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

function fail(error: WallaError): void {
  const agreed = error instanceof AgreedError;
  // Once MPI is up, a failure that the ranks could not agree on leaves the others waiting: then the
  // job has to end.
  const fallback = process.env['WALLA_ON_ERROR'] === 'fallback' && (agreed || !isMpiUp());
  const together = agreed && isMpiUp();
  if (together ? openStagingMpi().world.rank === 0 : speaksFor(error, fallback)) {
    writeSync(2, error.report(agreed ? error.alike : 1));
    if (process.env['WALLA_VERBOSE'] === '1' && error.cause instanceof Error)
      writeSync(2, `${error.cause.stack ?? ''}\n`);
    if (fallback) writeSync(2, 'walla: running unstaged\n');
  }
  if (fallback) return;
  if (agreed) failQuietly();
  else if (!isMpiUp()) abortBeforeMpi(process.env);
  process.exit(1);
}

/** Whether this rank tells of a failure that the ranks could not agree on; makes it name the rank. */
function speaksFor(error: WallaError, fallback: boolean): boolean {
  const rank = launchedRank(process.env);
  if ((launchedSize(process.env) ?? 2) > 1) {
    error.rank ??= rank;
    error.host ??= hostname();
  }
  if (rank === 0 || error.code === 'ERR_WALLA_TIMEOUT') return true;
  // Nobody ends the job here: once a node is as few as it gets.
  if (fallback) return (detectLocalRank(process.env) ?? 0) === 0;
  // Mostly all ranks fail alike, and rank 0 speaks for them; what only this rank has is said a little later.
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, RANK_0_FIRST_MS);
  return true;
}
