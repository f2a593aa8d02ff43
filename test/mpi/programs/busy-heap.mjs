// Initializes MPI while worker threads extend and shrink the heap without pause.
/* global setImmediate */
import { once } from 'node:events';
import { Worker, isMainThread, parentPort } from 'node:worker_threads';
import { deflateRawSync } from 'node:zlib';

if (isMainThread) {
  const { register } = await import('tsx/esm/api');
  register();
  const { world } = await import('../../../native/mpi.ts');
  const workers = [1, 2].map(() => new Worker(new URL(import.meta.url), { execArgv: [] }));
  await Promise.all(workers.map((worker) => once(worker, 'message')));
  world.barrier();
  for (const worker of workers) worker.postMessage('stop');
  await Promise.all(workers.map((worker) => once(worker, 'exit')));
  world.barrier();
} else {
  let busy = true;
  parentPort.once('message', () => (busy = false));
  parentPort.postMessage('started');
  const work = () => {
    for (let i = 0; i < 100; i++) deflateRawSync(Buffer.alloc(300));
    if (busy) setImmediate(work);
  };
  work();
}
