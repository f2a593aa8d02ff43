import assert from 'node:assert/strict';
import { describe, it } from 'node:test';

import { nodeVersions } from '../node-versions/index.ts';
import { count, implementations, launch, type Launch, programPath, scratch } from './launch.ts';

const program = programPath('operations.mjs');

function passes(options: Launch): void {
  const directory = scratch();
  try {
    const outcome = launch(program, { ...options, args: [directory.path] });
    assert.equal(outcome.status, 0, outcome.stdout + outcome.stderr);
    assert.equal(count(outcome.stdout, 'collfs agrees'), options.ranks ?? 1);
  } finally {
    directory.remove();
  }
}

describe('collective operations give what fs gives root', () => {
  for (const node of nodeVersions) {
    it(`on one rank without MPI on Node.js ${node.major}`, () => passes({ node: node.path }));
  }
  for (const mpi of implementations) {
    for (const ranks of [1, 2, 4]) {
      it(`under ${mpi.abi} on ${ranks}`, { skip: mpi.skip }, () => passes({ mpi, ranks }));
    }
  }
  const [mpi] = implementations;
  for (const node of nodeVersions.slice(1)) {
    it(`under ${mpi?.abi} on Node.js ${node.major}`, { skip: mpi?.skip ?? true }, () =>
      passes({ mpi, ranks: 2, node: node.path }),
    );
  }
});
