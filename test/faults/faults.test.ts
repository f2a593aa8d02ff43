/**
 * Something goes wrong at each point of staging, on a rank in each role. Whatever it is: the job ends, all
 * ranks have one outcome, one message says what and where, and the node is clean after the next job.
 */
import { after, before, describe, it } from 'node:test';
import type { MpiAbi } from '../../native/launcher.ts';
import { Cluster } from '../cluster/cluster.ts';
import { mpis } from '../run-node.ts';
import { all, clusterCases, nodeCases, selfCases } from './cases.ts';
import { title } from './expect.ts';
import { meetHere, meetOnCluster, ranksOf } from './meet.ts';
import { Pool } from './pool.ts';
import { FaultProgram } from './program.ts';

/** Jobs at a time: most of a walk is waiting. */
const CONCURRENCY = all ? 4 : 2;
const NODES = 4;
const ABIS = ['openmpi', 'mpich'] as const;
const missing = (mpi: MpiAbi): string | false => Cluster.unavailableReason({ mpi }) ?? false;

let program: FaultProgram;
before(() => {
  program = new FaultProgram();
});
after(() => {
  program.remove();
});

const nowhere = ABIS.every(missing) && missing('openmpi');
describe('a fault on one of several nodes', { skip: nowhere, concurrency: CONCURRENCY }, () => {
  let clusters: Pool<Cluster>;
  before(async () => {
    const starts = Array.from({ length: CONCURRENCY }, () =>
      Cluster.start({ nodes: NODES, shm: '64m' }),
    );
    clusters = new Pool(await Promise.all(starts));
  });
  after(async () => {
    await Promise.all(clusters.all.map((cluster) => cluster.stop()));
  });

  for (const mpi of ABIS) {
    for (const faulty of clusterCases(mpi)) {
      it(title(faulty), { skip: missing(mpi) }, () =>
        clusters.use((cluster) => meetOnCluster(cluster, faulty, program)),
      );
    }
  }
});

for (const mpi of mpis) {
  describe(
    `a fault on one node under ${mpi.abi}`,
    { skip: mpi.skip, concurrency: CONCURRENCY },
    () => {
      for (const faulty of nodeCases(mpi.abi)) {
        it(title(faulty), () =>
          meetHere(faulty, [mpi.command, ...mpi.args, '-np', String(ranksOf(faulty))], program),
        );
      }
    },
  );
}

describe('a fault in one process without MPI', { concurrency: CONCURRENCY }, () => {
  for (const faulty of selfCases()) it(title(faulty), () => meetHere(faulty, [], program));
});
