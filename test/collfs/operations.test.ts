import { it } from 'node:test';

import { run } from '../mpi/launch.ts';
import { everything, implementations } from './programs.ts';
import { assertPassed, describeUnderEachMpi } from './suite.ts';

const available = implementations.some(({ skip }) => skip === false);
const skip = available ? false : 'there is no libcollfs here';

describeUnderEachMpi('libcollfs', skip, ({ mpi, words }) => {
  function passes(ranks: number, ...command: Parameters<typeof words>): void {
    const job = [...mpi.args, '-np', String(ranks), ...words(...command)];
    assertPassed(run(mpi.command, job), ranks);
  }

  // MPICH's ranks never sleep: seven of them take a minute on few processors, which cluster.test.ts spends.
  for (const ranks of mpi.abi === 'mpich' && !everything ? [1, 2, 4] : [1, 2, 4, 7]) {
    it(`does all operations as libc does on ${ranks}, each rank as root`, () => {
      passes(ranks, 'operations_test', ranks === 2 ? ['large'] : []);
    });

    const roots = everything ? Array.from({ length: ranks }, (_, rank) => rank) : [ranks - 1];
    for (const root of roots) {
      it(`fails on all of ${ranks} alike when one cannot go on (root ${root})`, () => {
        passes(ranks, 'faults_test', [String(root)]);
      });
    }
  }

  for (const ranks of everything ? [2, 4, 7] : [4]) {
    it(`names a rank of ${ranks} that does not come in time`, () => {
      passes(ranks, 'faults_test', ['0', 'timeouts']);
    });
  }
});
