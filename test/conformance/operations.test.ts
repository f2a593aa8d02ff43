/** How often a staged program asks the file system for its own files. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { type NodeVersion, nodeVersions } from '../node-versions/index.ts';
import { type Case, CaseTree, readCase } from './case-file.ts';
import { archiveFor, isFor } from './compare.ts';
import { hasStrace, StagedArchive } from './file-operations.ts';
import { packageRoot } from '../run-node.ts';

const cases = ['operations', 'operations-fs'].map((name) =>
  readCase(new URL(`./cases/${name}.txt`, import.meta.url)),
);

for (const [node, operations] of nodeVersions.flatMap((one) =>
  cases.map((each): [NodeVersion, Case] => [one, each]),
)) {
  test(
    `${operations.name}: no file of the program is looked for in its directory on Node.js ${node.major}`,
    { skip: hasStrace ? false : 'strace is not installed' },
    async (t) => {
      const tree = new CaseTree(operations);
      try {
        for (const run of operations.runs.filter((one) => isFor(one, node))) {
          await t.test(run.text, () => {
            const staged = new StagedArchive(archiveFor(run, operations, tree, node), node);
            try {
              const flags = run.args
                .slice(0, -1)
                .map((word) => word.replace('{repo}', packageRoot));
              const args = [...flags, join(tree.root, run.args.at(-1) ?? '')];
              const { status, stderr, calls } = staged.trace(args, tree.root);
              assert.equal(status, 0, stderr);
              assert.deepEqual(calls, run.leaves);
            } finally {
              staged.remove();
            }
          });
        }
      } finally {
        tree.remove();
      }
    },
  );
}
