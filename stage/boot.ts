/** Decides what this thread has to do at start: nothing, attach, or stage with the other ranks. */
import { writeSync } from 'node:fs';

import { isHooksThread, isMainThread } from '../loader/node-features.ts';
import { Module } from '../loader/node-internals.ts';
import { failQuietly, openMpi, openWorld, releaseMpi } from '../native/world.ts';
import { detectLauncher } from '../native/launcher.ts';
import { WallaError } from './errors.ts';
import { AgreedError } from './job.ts';
import { locateEarly } from './locate.ts';
import { readOptions } from './options.ts';
import { attachInherited, stage } from './stage.ts';

const DONE = Symbol.for('walla.stage');

/** Never throws: a failure ends the process, or is said and the program runs unstaged. */
export function preload(): void {
  // Not on globalThis, whose names programs list.
  const shared = Module as { [DONE]?: true };
  // The same file can come twice, by --import and through NODE_OPTIONS.
  if (isHooksThread || shared[DONE] || process.env['WALLA'] === 'off') return;
  Object.defineProperty(shared, DONE, { value: true });
  try {
    if (process.env['WALLA_ATTACH'] && attachInherited(readOptions(process.env))) return;
    if (!isMainThread) return; // a worker whose main thread did not stage
    locateEarly(process.env);
    stage(openWorld(), () => readOptions(process.env));
    if (openMpi().launcher.release) releaseMpi();
  } catch (error) {
    fail(WallaError.from(error));
  }
}

function fail(error: WallaError): void {
  // Before MPI is up, the launcher's variables alone tell who should speak.
  const speaks = error instanceof AgreedError ? openWorld().rank === 0 : launchedRank() === 0;
  const fallback = process.env['WALLA_ON_ERROR'] === 'fallback';
  if (speaks) {
    writeSync(2, error.report(error instanceof AgreedError ? error.alike : 1));
    if (process.env['WALLA_VERBOSE'] === '1' && error.cause instanceof Error)
      writeSync(2, `${error.cause.stack ?? ''}\n`);
    if (fallback) writeSync(2, 'walla: running unstaged\n');
  }
  if (fallback) return;
  if (error instanceof AgreedError) failQuietly();
  process.exit(1);
}

function launchedRank(): number {
  try {
    return detectLauncher(process.env).rank;
  } catch {
    return Number(
      process.env['OMPI_COMM_WORLD_RANK'] ??
        process.env['PMI_RANK'] ??
        process.env['SLURM_PROCID'] ??
        0,
    );
  }
}
