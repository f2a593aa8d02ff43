import assert from 'node:assert/strict';
import { describe, it } from 'node:test';

import { launch, mpis } from './launch.ts';

describe('patient waiting', () => {
  for (const mpi of mpis) {
    it(`leaves the cores to others under ${mpi.abi}`, { skip: mpi.skip }, () => {
      const { status, stdout, stderr } = launch(mpi, 2, 'wait.ts');
      assert.equal(status, 0, stderr);
      const share = Number(/cpu share (\S+)/.exec(stdout)?.[1]);
      assert.ok(share < 0.5, `the waiting rank computed for ${share} of the time`);
    });
  }
});
