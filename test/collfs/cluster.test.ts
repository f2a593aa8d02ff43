import assert from 'node:assert/strict';
import { after, before, it } from 'node:test';

import { Cluster } from '../cluster/cluster.ts';
import { everything } from './programs.ts';
import { assertPassed, describeUnderEachMpi } from './suite.ts';

const skip = Cluster.unavailableReason({ mpi: 'none' }) ?? false;

/** Ranks on each node. */
const LAYOUTS = [[1], [1, 1], [1, 1, 1, 1], [1, 3, 2, 1]];
if (everything) LAYOUTS.push([2, 2], [2, 2, 2, 2]);

describeUnderEachMpi('libcollfs on several nodes', skip, ({ mpi, words }) => {
  let cluster: Cluster;
  before(async () => {
    cluster = await Cluster.start({ nodes: 4, shm: '16m' });
  });
  after(() => cluster.stop());

  async function passes(slots: number[], ...command: Parameters<typeof words>): Promise<void> {
    const result = await cluster.mpirun(words(...command), {
      mpi: mpi.abi,
      slots,
      timeoutMs: 180_000,
    });
    const signal = result.timedOut ? 'SIGTERM' : result.signal;
    assertPassed({ ...result, status: result.code, signal }, ranksOf(slots));
  }

  for (const slots of LAYOUTS) {
    const ranks = ranksOf(slots);
    const layout = slots.join('+');

    it(`does all operations with one copy a node on ${layout} ranks, each as root`, async () => {
      // Larger than /dev/shm: copies do not depend on it.
      await passes(slots, 'operations_test', slots.length === 4 ? ['large'] : []);
      for (const node of cluster.nodes) {
        const { stdout } = await node.run(['ls', '-A', '/dev/shm', '/tmp']);
        assert.doesNotMatch(stdout, /^collfs-\w{6}$/m, `${node.name} kept something`);
      }
    });

    const roots = everything ? Array.from({ length: ranks }, (_, rank) => rank) : [ranks - 1];
    for (const root of roots) {
      it(`fails on all alike on ${layout} ranks (root ${root})`, async () => {
        await passes(slots, 'faults_test', [String(root)]);
      });
    }
  }

  it('fails on all alike where one node has no directory to write', async () => {
    await passes([1, 2], 'unwritable_test');
  });

  it('names a rank that does not come in time', async () => {
    await passes([2, 2, 2, 1], 'faults_test', ['2', 'timeouts']);
  });
});

function ranksOf(slots: number[]): number {
  return slots.reduce((sum, each) => sum + each, 0);
}
