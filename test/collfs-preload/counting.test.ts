import assert from 'node:assert/strict';
import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { after, before, describe, it } from 'node:test';

import { requestsIn } from '../../examples/collective-dlopen/compare.ts';
import { Cluster } from '../cluster/cluster.ts';
import { implementations, scratchDirectory } from '../collfs/programs.ts';
import {
  buildStart,
  preloaded,
  preloadLibrary,
  pythonProgram,
  writeReadersFiles,
} from './programs.ts';

const counted = fileURLToPath(
  new URL('../../examples/collective-dlopen/counted.sh', import.meta.url),
);
const built = existsSync(preloadLibrary) ? false : 'libcollfs-preload.so is not built';

describe('libcollfs-preload on 4 nodes with 2 ranks each', { skip: built }, () => {
  const scratch = scratchDirectory();
  const files = scratchDirectory();
  before(() => writeReadersFiles(files.path));
  after(() => {
    scratch.remove();
    files.remove();
  });

  for (const mpi of implementations) {
    const missing = Cluster.unavailableReason({ mpi: mpi.abi, programs: ['python3', 'strace'] });
    it(
      `lets an unmodified Python import modules by the requests of one process, under ${mpi.abi}`,
      { skip: missing ?? mpi.skip },
      async () => {
        const command = ['python3', pythonProgram, buildStart(mpi.abi, scratch.path), files.path];
        await using cluster = await Cluster.start({ nodes: 4 });

        async function requests(slots: number[], env: Record<string, string>): Promise<number> {
          const traces = join(
            scratch.path,
            `traces-${mpi.abi}-${Object.keys(env).length}-${slots.length}`,
          );
          mkdirSync(traces);
          const variables = { ...env, TRACES: traces };
          const pass = Object.keys(variables).flatMap((name) => ['-x', name]);
          const ranks = slots.reduce((sum, each) => sum + each, 0);
          const { code, stdout, stderr } = await cluster.mpirun([counted, ...command], {
            mpi: mpi.abi,
            slots,
            arguments: mpi.abi === 'openmpi' ? pass : [],
            env: variables,
          });
          assert.equal(code, 0, stderr);
          assert.doesNotMatch(stderr, /ERR_COLLFS/);
          assert.equal(stdout, 'sum 3\n'.repeat(ranks));
          return requestsIn(traces, files.path);
        }

        const one = await requests([1], {});
        const plain = await requests([2, 2, 2, 2], {});
        const shared = await requests([2, 2, 2, 2], preloaded(files.path));
        assert.ok(one > 10, `${one} requests by one process`);
        assert.ok(plain >= 8 * one, `${plain} requests by eight, ${one} by one`);
        assert.ok(shared > 10, `${shared} requests: who read them?`);
        assert.ok(shared <= one + 5, `${shared} requests for eight, ${one} for one`);
      },
    );
  }
});
