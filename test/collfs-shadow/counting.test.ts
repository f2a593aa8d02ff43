import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';

import { countRequests, Libraries, NEEDS } from '../../examples/collective-dlopen/compare.ts';
import { Cluster } from '../cluster/cluster.ts';
import { which } from '../mpi/launch.ts';
import { stageSkip } from './stage.ts';

const skip = Cluster.unavailableReason(NEEDS) ?? false;

describe('loading libraries on 4 nodes with 4 ranks each', { skip }, () => {
  let cluster: Cluster;
  let libraries: Libraries;
  before(async () => {
    libraries = new Libraries(['--libraries', '24', '--utilities', '4', '--functions', '3']);
    // Copies are executable where /dev/shm is not.
    cluster = await Cluster.start({ nodes: 4, shm: '16m', shmOptions: 'noexec' });
  });
  after(async () => {
    await cluster.stop();
    libraries.remove();
  });

  async function compare(mpi: 'openmpi' | 'mpich', command: string[]): Promise<void> {
    const [one, all] = [
      await countRequests(cluster, libraries, command, { mpi, slots: [1], collfs: false }),
      await countRequests(cluster, libraries, command, { mpi, slots: 4, collfs: true }),
    ];
    assert.equal(one.result.code, 0, one.result.stderr);
    assert.equal(all.result.code, 0, all.result.stderr);
    const sum = one.result.stdout.trim();
    assert.match(sum, /^sum \d+$/);
    assert.equal(all.result.stdout.trim(), Array<string>(16).fill(sum).join('\n'));
    assert.ok(one.requests >= libraries.count, `${one.requests} requests by one process`);
    assert.ok(all.requests >= libraries.count, `${all.requests} requests: who read them?`);
    assert.ok(
      all.requests <= one.requests + 5,
      `${all.requests} requests for 16 ranks, ${one.requests} for one process`,
    );
    for (const node of cluster.nodes) {
      const { stdout } = await node.run(['ls', '-A', '/dev/shm']);
      assert.equal(stdout, '', `${node.name} kept something`);
    }
  }

  for (const language of ['C', 'C, linked', 'Python'] as const) {
    const noPython =
      language === 'Python' && which('python3') === undefined && 'python3 is not installed';
    for (const mpi of language === 'C' ? (['openmpi', 'mpich'] as const) : (['openmpi'] as const)) {
      const missing = Cluster.unavailableReason({ mpi }) ?? stageSkip(mpi);
      it(
        `asks the shared file system as one process does, in ${language} under ${mpi}`,
        { skip: noPython || missing },
        () => compare(mpi, libraries.commands[language]),
      );
    }
  }
});
