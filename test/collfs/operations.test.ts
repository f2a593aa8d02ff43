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

  const namespaces = ['unshare', '--pid', '--fork', '--mount-proc'];
  const [unshare = '', ...how] = namespaces;
  // MPICH shares memory by process numbers.
  const unable =
    (mpi.abi !== 'openmpi' && 'Open MPI alone can be told to do without shared memory') ||
    (run(unshare, [...how, 'true']).status !== 0 && 'there can be no PID namespaces here');
  it('reads right where each rank is in a PID namespace of its own', { skip: unable }, () => {
    const network = ['--mca', 'btl', 'tcp,self', '--mca', 'btl_tcp_if_include', 'lo'];
    const job = [...mpi.args, ...network, '-np', '3', ...namespaces, ...words('namespaces_test')];
    assertPassed(run(mpi.command, job), 3);
  });

  for (const ranks of everything ? [2, 4, 7] : [4]) {
    it(`names a rank of ${ranks} that does not come in time`, () => {
      passes(ranks, 'faults_test', ['0', 'timeouts']);
    });
  }
});
