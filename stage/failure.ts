/** How a process ends, or goes on unstaged, when staging has failed. */
import { writeSync } from 'node:fs';
import { hostname } from 'node:os';
import { abortBeforeMpi, failQuietly, isMpiUp, openStagingMpi } from '../native/world.ts';
import { detectLocalRank, launchedRank, launchedSize } from '../native/launcher.ts';
import type { WallaError } from './errors.ts';
import { AgreedError } from './job.ts';

/** Ample for a launcher to end the job because rank 0 has failed too, and said so. */
const RANK_0_FIRST_MS = 2000;

/** Says once a job what went wrong. Ends this process, or returns if the program is to run unstaged. */
export function fail(error: WallaError): void {
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
