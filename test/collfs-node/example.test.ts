import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';

import { packageRoot } from '../run-node.ts';
import { count, implementations, launch } from './launch.ts';

const program = join(packageRoot, 'examples/collective-read/app.mjs');

describe('examples/collective-read', () => {
  it('is what docs/collfs.md shows', () => {
    const shown = readFileSync(join(packageRoot, 'docs/collfs.md'), 'utf8');
    assert.ok(shown.includes('```js\n' + readFileSync(program, 'utf8') + '```\n'));
  });

  it('runs without MPI', () => {
    const { stdout, stderr, status } = launch(program);
    assert.equal(status, 0, stderr);
    assert.equal(stdout, 'The sum on rank 0: 10\n');
  });

  for (const mpi of implementations) {
    it(`gives every rank the same under ${mpi.abi}`, { skip: mpi.skip }, () => {
      const { stdout, stderr, status } = launch(program, { mpi, ranks: 2 });
      assert.equal(status, 0, stderr);
      for (const rank of [0, 1]) assert.equal(count(stdout, `The sum on rank ${rank}: 10`), 1);
    });
  }
});
