/**
 * Faults on purpose, for tests of what must hold when they happen by themselves. `WALLA_FAULT=POINT:FAULT:RANK`:
 *
 * - POINT: `start` (before MPI), `mpi` (MPI is up), a phase (before its work), a phase with `.done` behind it
 *   (after its work, before the ranks agree), `transfer.middle` (half of the image is here: native/src/fault.h, or
 *   below where a child process downloads it), or `locate.middle` (half of the root's own download)
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

/** The point of a child process that does a rank's work. */
export const CHILD_POINT = 'child.middle';

/**
 * What a child process needs in its environment so that a fault at `point` of this rank happens in the middle of what
 * the child does for it. It is the rank that is killed or stopped then, not the child.
 */
export function faultOfChild(point: string | undefined): { WALLA_FAULT?: string } {
  const [where, fault = '', rank] = plan?.split(':') ?? [];
  if (where === undefined || where !== point || Number(rank) !== launchedRank(process.env))
    return {};
  return { WALLA_FAULT: `${CHILD_POINT}:${fault}:0:${process.pid}` };
}

function inject(text: string, point: string): void {
  const [where, fault = '', rank, pid = process.pid] = text.split(':');
  if (where !== point || Number(rank) !== launchedRank(process.env)) return;
  if (fault === 'delay') {
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, DELAY_MS);
  } else if (fault === 'kill' || fault === 'stop') {
    process.kill(Number(pid), fault === 'kill' ? 'SIGKILL' : 'SIGSTOP');
  } else {
    const code = fault === 'error' ? 'EIO' : fault;
    throw Object.assign(new Error(`${code}: injected at ${point}`), { code });
  }
}
