/**
 * Popular packages of every kind (test/packages): what each exports, by `import` and by `require`, and
 * that a staged process asks the file system for none of their files.
 */
import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { type NodeVersion, nodeVersions } from '../node-versions/index.ts';
import { packageRoot, packProgram } from '../run-node.ts';
import { differing, linesOf, start } from './compare.ts';
import { hasStrace, StagedArchive } from './file-operations.ts';

const directory = join(packageRoot, 'test/packages');
const program = join(directory, 'program.mjs');

for (const node of nodeVersions) {
  const name = `popular packages export staged what they export plain on Node.js ${node.major}, without a look at the file system`;
  const skip = !existsSync(join(directory, 'node_modules'))
    ? 'test/packages is not installed'
    : !hasStrace && 'strace is not installed';
  test(name, { skip }, () => {
    const scratch = mkdtempSync(join(tmpdir(), 'walla-packages-'));
    try {
      const archive = join(scratch, 'packages.walla');
      packProgram(program, archive, { node: node.path });
      const calls = compare(archive, node);
      assert.deepEqual(node.major === 20 ? calls.filter(isOfRequire) : calls, []);
    } finally {
      rmSync(scratch, { recursive: true });
    }
  });
}

/** @returns the staged run's calls that name something in the packages' directory */
function compare(archive: string, node: NodeVersion): string[] {
  const plain = start(node, [program], '/');
  assert.equal(plain.at(-1), 'ended with 0', plain.slice(-20).join('\n'));
  const staged = new StagedArchive(archive, node);
  try {
    const run = staged.trace([program], directory);
    const difference = differing(plain, linesOf(run));
    if (difference !== '')
      assert.fail(`plain (-) and staged (+) differ:\n${shortened(difference)}`);
    return run.calls;
  } finally {
    staged.remove();
  }
}

/** Where Node.js 20 asks no hooks: imports inside an ES module that was required (docs/node-hooks.md). */
function isOfRequire(call: string): boolean {
  if (!/^(?:openat .*\/package\.json|(?:statx|newfstatat|readlink) )/.test(call)) return true;
  const path = call.slice(call.indexOf('/'));
  const name = /^.*\/node_modules\/(?:@[^/]+\/)?[^/]+/.exec(path)?.[0];
  if (name === undefined) return !/^(?:\/node_modules)?(?:\/@[^/]+)?$/.test(path);
  if (/\/(?:@asamuzakjp\/nwsapi|is-potential-custom-element-name|source-map-js)$/.test(name))
    return false;
  const manifest = join(directory, name, 'package.json');
  return existsSync(manifest) && !/"module"|"import"/.test(readFileSync(manifest, 'utf8'));
}

function shortened(difference: string): string {
  const lines = difference.split('\n').map((line) => line.slice(0, 300));
  return lines.slice(0, 60).join('\n');
}
