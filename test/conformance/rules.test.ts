/** Rules of resolution other than the archive's: the program means the same, or the archive is refused. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { nodeVersions } from '../node-versions/index.ts';
import { preload } from '../run-node.ts';
import { CaseTree, readCase } from './case-file.ts';
import { archiveFor, differing, isFor, start, testCases } from './compare.ts';

testCases(/^rules/);

const rules = readCase(new URL('./cases/rules.txt', import.meta.url));
const [packed] = rules.runs;
const others = [
  { flags: ['--conditions=custom'], since: 20 },
  { flags: ['--no-experimental-require-module'], since: 20 },
  { flags: ['--no-experimental-detect-module'], since: 20 },
  { flags: ['--no-experimental-strip-types'], since: 22 },
  { flags: [], since: 20, env: { NODE_PATH: 'elsewhere' } },
  { flags: [], since: 20, env: { NODE_PRESERVE_SYMLINKS: '1' } },
];

for (const node of nodeVersions) {
  test(`an archive packed under other rules is refused, and the cached one packed again, on Node.js ${node.major}`, () => {
    assert.ok(packed);
    const tree = new CaseTree(rules);
    try {
      const archive = archiveFor(packed, rules, tree, node);
      for (const { flags, since, env = {} } of others) {
        if (!isFor({ ...packed, since }, node)) continue;
        const program = [...flags, '--no-warnings', 'main.mjs'];
        const staged = ['-r', preload, ...program];
        const refused = start(node, staged, tree.root, { ...env, WALLA_ARCHIVE: archive });
        assert.match(refused.join('\n'), /ERR_WALLA_STALE: [^]*ended with 1$/);
        const plain = start(node, program, tree.root, env);
        const difference = differing(plain, start(node, staged, tree.root, env));
        if (difference !== '')
          assert.fail(`${flags.join()}: plain (-), staged (+):\n${difference}`);
      }
    } finally {
      tree.remove();
    }
  });
}
