import assert from 'node:assert/strict';
import { describe, it } from 'node:test';

import { launch, mpis } from './launch.ts';

describe('MPI leaves to Node.js', () => {
  for (const mpi of mpis) {
    it(`the traps of WebAssembly under ${mpi.abi}`, { skip: mpi.skip }, () => {
      const { status, stdout, stderr } = launch(mpi, 2, 'wasm-trap.mjs');
      assert.equal(status, 0, stderr);
      assert.equal(stdout.split('trapped').length - 1, 2);
    });

    // Installing its hook on brk, UCX races with malloc on other threads: a crash in one of ten of these
    // starts, unless the hook is left out.
    it(`the heap, while other threads use it, under ${mpi.abi}`, { skip: mpi.skip }, () => {
      for (let i = 0; i < 6; i++) {
        const { status, stderr } = launch(mpi, 2, 'busy-heap.mjs', {
          // One heap for all threads, which makes the race likely.
          env: { MALLOC_ARENA_MAX: '1' },
        });
        assert.equal(status, 0, stderr);
      }
    });
  }
});
