/** How often a staged program asks the file system for its own files. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { type NodeVersion, nodeVersions } from '../node-versions/index.ts';
import { cleanEnvironment, preload } from '../run-node.ts';
import { type Case, CaseTree, readCase, type Run } from './case-file.ts';
import { archiveFor, isFor } from './compare.ts';

const cases = ['operations', 'operations-fs'].map((name) =>
  readCase(new URL(`./cases/${name}.txt`, import.meta.url)),
);
const hasStrace = spawnSync('strace', ['-V']).status === 0;

for (const [node, operations] of nodeVersions.flatMap((one) =>
  cases.map((each): [NodeVersion, Case] => [one, each]),
)) {
  test(
    `${operations.name}: no file of the program is looked for in its directory on Node.js ${node.major}`,
    { skip: hasStrace ? false : 'strace is not installed' },
    async (t) => {
      const tree = new CaseTree(operations);
      const base = mkdtempSync(join(tmpdir(), 'walla-base-'));
      try {
        for (const run of operations.runs.filter((one) => isFor(one, node))) {
          await t.test(run.text, () => {
            assert.deepEqual(seen(run, operations, tree, node, base), run.leaves);
          });
        }
      } finally {
        rmSync(base, { recursive: true });
        tree.remove();
      }
    },
  );
}

/** What a child process of a staged program does below the program's directory: `call path`, sorted. */
function seen(
  run: Run,
  operations: Case,
  tree: CaseTree,
  node: NodeVersion,
  base: string,
): string[] {
  const staging = {
    ...cleanEnvironment(),
    WALLA_ARCHIVE: archiveFor(run, operations, tree, node),
    WALLA_DIR: base,
    WALLA_KEEP: '1',
  };
  const print = [
    '-r',
    preload,
    '-p',
    'process.env.WALLA_ATTACH + "\\n" + process.env.NODE_OPTIONS',
  ];
  const told = spawnSync(node.path, print, { env: staging, cwd: '/', encoding: 'utf8' }).stdout;
  const [WALLA_ATTACH = '', NODE_OPTIONS = ''] = told.split('\n');
  const trace = join(base, 'trace');
  const words = ['-f', '-qq', '-s', '4096', '-e', 'trace=%file', '-o', trace, node.path];
  const program = [
    ...words,
    '-r',
    preload,
    ...run.args.slice(0, -1),
    join(tree.root, run.args.at(-1) ?? ''),
  ];
  const env = { ...cleanEnvironment(), WALLA_ATTACH, NODE_OPTIONS };
  const { status, stderr } = spawnSync('strace', program, { env, cwd: '/', encoding: 'utf8' });
  assert.equal(status, 0, stderr);
  return callsBelow(readFileSync(trace, 'utf8'), tree.root);
}

function callsBelow(trace: string, root: string): string[] {
  const calls = new Set<string>();
  for (const [, call = '', path = ''] of trace.matchAll(/^\d+ +(\w+)\([^"\n]*"([^"\n]*)"/gm))
    if (path.startsWith(root)) calls.add(`${call} ${path.slice(root.length)}`);
  return [...calls].sort();
}
