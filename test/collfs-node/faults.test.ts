import assert from 'node:assert/strict';
import { describe, it } from 'node:test';

import { count, implementations, launch, programPath, scratch } from './launch.ts';

describe('what goes wrong in collective operations', () => {
  for (const mpi of implementations) {
    for (const ranks of [1, 2, 4]) {
      it(`is alike on ${ranks} ranks under ${mpi.abi}`, { skip: mpi.skip }, () => {
        const directory = scratch();
        try {
          const outcome = launch(programPath('faults.mjs'), {
            mpi,
            ranks,
            args: [directory.path, 'release'],
          });
          assert.equal(outcome.status, 0, outcome.stdout + outcome.stderr);
          assert.equal(count(outcome.stdout, 'faults are alike'), ranks);
        } finally {
          directory.remove();
        }
      });
    }
  }
});
