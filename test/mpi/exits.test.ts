import assert from 'node:assert/strict';
import { describe, it } from 'node:test';

import { launch, mpis, type Mpi, type Outcome } from './launch.ts';

const RANKS = 3;

function count(text: string, part: string): number {
  return text.split(part).length - 1;
}

function start(mpi: Mpi, scenario: string): Outcome {
  const outcome = launch(mpi, RANKS, 'exits.ts', { args: [scenario] });
  assert.equal(outcome.signal, null, `${scenario} did not end:\n${outcome.stderr}`);
  return outcome;
}

for (const mpi of mpis) {
  describe(`the end of a program under ${mpi.abi}`, { skip: mpi.skip }, () => {
    for (const scenario of ['normal', 'exit-zero']) {
      it(`is quiet and 0 when all is well (${scenario})`, () => {
        const { status, stdout, stderr } = start(mpi, scenario);
        assert.equal(status, 0, stderr);
        assert.equal(stderr, '');
        assert.equal(count(stdout, 'end of'), scenario === 'normal' ? RANKS : 0);
      });
    }

    const failures: [scenario: string, what: string, status: number, text?: string][] = [
      ['exit-3', 'process.exit(3)', 3],
      ['uncaught', 'an uncaught exception', 1, 'thrown on purpose'],
      ['rejection', 'an unhandled rejection', 1, 'rejected on purpose'],
      ['exit-code-5', 'process.exitCode = 5', 5],
    ];
    for (const [scenario, what, expected, text] of failures) {
      it(`comes for all ranks with the status of the rank that fails by ${what}`, () => {
        const { status, stdout, stderr } = start(mpi, scenario);
        assert.equal(status, expected, stderr);
        if (text !== undefined) assert.match(stderr, new RegExp(text));
        assert.ok(count(stdout, 'end of') < RANKS);
      });
    }

    it('comes for all ranks when one is killed', () => {
      assert.notEqual(start(mpi, 'killed').status, 0);
    });

    it('does not come with the end of a worker thread', () => {
      const { status, stdout, stderr } = start(mpi, 'worker-exits');
      assert.equal(status, 0, stderr);
      assert.equal(count(stdout, 'worker 4, then a barrier'), RANKS);
    });

    it('does not come with the end of a child process, which is no rank', () => {
      const { status, stdout, stderr } = start(mpi, 'child');
      assert.equal(status, 0, stderr);
      assert.equal(count(stdout, 'child 6, then a barrier'), RANKS);
    });

    it('has the status all ranks agreed on, without an abort', () => {
      const { status, stderr } = start(mpi, 'agreed');
      assert.equal(status, 7, stderr);
      assert.doesNotMatch(stderr, /MPI_Abort/i);
    });

    it('can come early for MPI alone', () => {
      const { status, stdout, stderr } = start(mpi, 'released');
      assert.equal(status, 0, stderr);
      assert.equal(count(stdout, `size ${RANKS}, barrier ERR_WALLA_MPI`), RANKS);
    });
  });
}
