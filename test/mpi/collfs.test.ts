import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';

import { launch, mpis, programArguments, run } from './launch.ts';

describe('collective file operations', () => {
  const directory = mkdtempSync(join(tmpdir(), 'walla-collfs-'));
  after(() => rmSync(directory, { recursive: true }));

  it('are independent without a launcher', () => {
    const { status, stderr } = run(process.execPath, programArguments('collfs.ts', [directory]));
    assert.equal(status, 0, stderr);
  });

  for (const mpi of mpis) {
    for (const ranks of [1, 2, 4]) {
      it(`give root its say under ${mpi.abi} on ${ranks}`, { skip: mpi.skip }, () => {
        const { status, stdout, stderr } = launch(mpi, ranks, 'collfs.ts', { args: [directory] });
        assert.equal(status, 0, stderr);
        assert.equal(stdout.split('collfs agrees').length - 1, ranks);
      });
    }
  }
});
