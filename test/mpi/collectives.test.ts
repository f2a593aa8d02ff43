import assert from 'node:assert/strict';
import { describe, it } from 'node:test';

import { launch, mpis, programArguments, run } from './launch.ts';

describe('collectives', () => {
  it('have the results of one rank without a launcher', () => {
    const { status, stdout, stderr } = run(
      process.execPath,
      programArguments('collectives.ts', ['1']),
    );
    assert.equal(status, 0, stderr);
    assert.match(stdout, /collectives agree/);
  });

  for (const mpi of mpis) {
    for (const ranks of [1, 2, 4]) {
      it(`agree under ${mpi.abi} on ${ranks} ranks, each as root`, { skip: mpi.skip }, () => {
        const { status, stdout, stderr } = launch(mpi, ranks, 'collectives.ts', {
          args: [String(ranks)],
        });
        assert.equal(status, 0, stderr);
        assert.equal(stdout.split('collectives agree').length - 1, ranks);
      });
    }
  }
});
