/**
 * Whether an earlier program of this rank has used MPI (`mpirun sh -c 'node a.mjs; node b.mjs'`): a rank can
 * initialize MPI once, not once a program, and MPI ends the process that tries again. No variable can
 * tell, since the two programs share only a parent. The process manager knows:
 *
 * - Hydra, which MPICH comes with, hangs up the socket in PMI_FD when a program finalizes MPI. The kernel
 *   shows that to whoever inherits the socket.
 * - A PMIx server, as Open MPI's is, has a private directory for the job, which it removes with the job. A
 *   file there with the rank's name says that the rank has used MPI. It is no secret and can do no harm:
 *   it is not opened, it has to be a file of this user, and all it does is to keep MPI off.
 */

import { closeSync, lstatSync, openSync } from 'node:fs';

import type { Environment } from './launcher.ts';
import type { MpiAddon } from './mpi-addon.ts';

function markerPath(env: Environment): string | undefined {
  const { PMIX_SERVER_TMPDIR: directory, PMIX_NAMESPACE: job, PMIX_RANK: rank } = env;
  if (!directory?.startsWith('/') || !job || !rank || !/^\d+$/.test(rank)) return undefined;
  return `${directory}/walla-mpi-${job.replace(/[^\w.-]/g, '_')}.${rank}`;
}

/** To be asked before MPI is initialized. */
export function isMpiSpent(env: Environment, addon: MpiAddon): boolean {
  const fd = env['PMI_FD'];
  if (fd !== undefined && /^\d+$/.test(fd)) return addon.isServerGone(Number(fd));
  const path = markerPath(env);
  if (path === undefined) return false;
  const stat = lstatSync(path, { throwIfNoEntry: false });
  return stat?.isFile() === true && stat.uid === process.geteuid?.();
}

/** To be called once MPI is initialized. */
export function markMpiSpent(env: Environment): void {
  const path = env['PMI_FD'] === undefined ? markerPath(env) : undefined;
  if (path === undefined) return;
  try {
    closeSync(openSync(path, 'wx', 0o600));
  } catch {
    // Then a second program finds out from MPI itself.
  }
}
