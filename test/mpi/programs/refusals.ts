/** Prints the error that the first use of MPI ends in. */
import { Worker, isMainThread } from 'node:worker_threads';

import { world } from '../../../native/mpi.ts';
import type { WallaError } from '../../../stage/errors.ts';

function say(): void {
  try {
    console.log(`size ${world.size}`);
  } catch (error) {
    const { code, message, hint } = error as WallaError;
    console.log(`${code}: ${message} | ${hint}`);
    process.exitCode = 1;
    // The launcher ends a job whose rank fails, and can lose what others have just said.
    setTimeout(() => undefined, 300);
  }
}

if (process.argv[2] === 'worker' && isMainThread) {
  new Worker(new URL('refusals-worker.mjs', import.meta.url));
} else {
  say();
}
