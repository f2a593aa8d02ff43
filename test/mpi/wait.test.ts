import assert from 'node:assert/strict';
import { describe, it } from 'node:test';

import { launch, mpis } from './launch.ts';

describe('waiting for another rank for long', () => {
  for (const mpi of mpis) {
    it(`leaves the cores to others under ${mpi.abi}`, { skip: mpi.skip }, () => {
      const { status, stdout, stderr } = launch(mpi, 2, 'wait.ts');
      assert.equal(status, 0, stderr);
      for (const how of ['patient', 'usual']) {
        const share = Number(new RegExp(`${how}: cpu share (\\S+)`).exec(stdout)?.[1]);
        assert.ok(share < 0.5, `${how}: the waiting rank computed for ${share} of the time`);
      }
    });
  }
});
