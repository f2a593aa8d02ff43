/**
 * Faults on purpose, for tests of what must hold when they happen by themselves. `WALLA_FAULT=POINT:FAULT:RANK`:
 *
 * - POINT: `start` (before MPI), `mpi` (MPI is up), a phase (before its work), a phase with `.done` behind it
 *   (after its work, before the ranks agree), or `transfer.middle` (native/src/fault.h)
 * - FAULT: `error`, an errno name (ENOSPC, ENOMEM, EACCES), `delay` (10 s), `kill` (SIGKILL), `stop` (SIGSTOP)
 * - RANK: the rank it happens on, as the launcher numbers it; 0 without a launcher
 */
import { launchedRank } from '../native/launcher.ts';

const DELAY_MS = 10_000;
const plan = process.env['WALLA_FAULT'];

/** A point at which a fault can be injected. Costs one comparison with undefined when there is none. */
export function faultAt(point: string): void {
  if (plan !== undefined) inject(plan, point);
}

function inject(text: string, point: string): void {
  const [where, fault = '', rank] = text.split(':');
  if (where !== point || Number(rank) !== launchedRank(process.env)) return;
  if (fault === 'delay') {
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, DELAY_MS);
  } else if (fault === 'kill' || fault === 'stop') {
    process.kill(process.pid, fault === 'kill' ? 'SIGKILL' : 'SIGSTOP');
  } else {
    const code = fault === 'error' ? 'EIO' : fault;
    throw Object.assign(new Error(`${code}: injected at ${point}`), { code });
  }
}
