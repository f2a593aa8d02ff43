import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';

import { Cluster } from '../cluster/cluster.ts';
import type { Application } from '../run-node.ts';
import { makeApplication, noCompiler } from './application.ts';
import { count, implementations, programPath, scratch } from './launch.ts';

const skip = Cluster.unavailableReason({ mpi: 'none' }) ?? false;
// The last rank is not the one that makes its node's copies.
const SLOTS = [1, 1, 2];
const RANKS = 4;

describe('collfs for Node.js on several nodes', { skip }, () => {
  let cluster: Cluster;
  let app: Application;
  before(async () => {
    app = makeApplication();
    // Smaller than what is opened, and nothing in it may be executed: copies do not depend on it.
    cluster = await Cluster.start({ nodes: SLOTS.length, shm: '1m', shmOptions: 'noexec' });
  });
  after(async () => {
    await cluster.stop();
    app.remove();
  });

  for (const mpi of implementations) {
    const passes = async (words: string, program: string, args: string[]): Promise<void> => {
      const command = [process.execPath, programPath(program), ...args];
      const { code, stdout, stderr, timedOut } = await cluster.mpirun(command, {
        mpi: mpi.abi,
        slots: SLOTS,
        timeoutMs: 120_000,
      });
      assert.ok(!timedOut, `it hangs: ${stdout}${stderr}`);
      assert.equal(count(stdout, words), RANKS, stdout + stderr);
      assert.equal(code, 0, stderr);
      for (const node of cluster.nodes) {
        const left = await node.run(['ls', '-A', '/dev/shm']);
        assert.equal(left.stdout, '', `${node.name} kept something`);
      }
    };

    it(`gives what fs gives root under ${mpi.abi}`, { skip: mpi.skip }, async () => {
      const directory = scratch();
      try {
        await passes('collfs agrees', 'operations.mjs', [directory.path]);
      } finally {
        directory.remove();
      }
    });

    it(`loads modules and addons from root's under ${mpi.abi}`, { skip: mpi.skip }, async () => {
      await passes('modules are loaded', 'modules.mjs', [app.root, noCompiler ? 'no' : 'addon']);
    });

    it(
      `finds divergence and ranks that do not come under ${mpi.abi}`,
      { skip: mpi.skip },
      async () => {
        const directory = scratch();
        try {
          await passes('faults are alike', 'faults.mjs', [directory.path]);
        } finally {
          directory.remove();
        }
      },
    );
  }
});
