import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';

import { launch, mpis, programArguments, run } from './launch.ts';

describe('the broadcast of a file', () => {
  const directory = mkdtempSync(join(tmpdir(), 'walla-broadcast-'));
  after(() => rmSync(directory, { recursive: true }));

  it('is a copy without a launcher', () => {
    const { status, stderr } = run(
      process.execPath,
      programArguments('broadcast-file.ts', [directory]),
    );
    assert.equal(status, 0, stderr);
  });

  for (const mpi of mpis) {
    for (const ranks of [1, 2, 4]) {
      it(
        `is whole, or fails alike on all ranks, under ${mpi.abi} on ${ranks}`,
        { skip: mpi.skip },
        () => {
          const { status, stdout, stderr } = launch(mpi, ranks, 'broadcast-file.ts', {
            args: [directory],
          });
          assert.equal(status, 0, stderr);
          assert.equal(stdout.split('files agree').length - 1, ranks);
        },
      );
    }
  }
});
