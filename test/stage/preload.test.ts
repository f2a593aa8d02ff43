/** What the preload makes Node.js load before the program: each built-in module costs every rank up to some milliseconds. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { nodeVersions } from '../node-versions/index.ts';
import { cleanEnvironment, cli, preload } from '../run-node.ts';

/** Prints the public built-in modules that are there when the program begins. */
const PROGRAM = `console.log(process.moduleLoadList.filter((name) => /^NativeModule [a-z_]+(?:\\/promises)?$/.test(name)).map((name) => name.slice(13)).join(' '));\n`;

describe('the preload', () => {
  let directory: string;
  before(() => {
    directory = mkdtempSync(join(tmpdir(), 'walla-preload-'));
    writeFileSync(join(directory, 'app.cjs'), PROGRAM);
  });
  after(() => rmSync(directory, { recursive: true }));

  function run(node: string, words: string[], env: NodeJS.ProcessEnv = {}): string {
    const { status, stdout, stderr } = spawnSync(node, words, {
      cwd: directory,
      env: { ...cleanEnvironment(), ...env },
      encoding: 'utf8',
    });
    assert.equal(status, 0, stderr);
    return stdout.trim();
  }

  // On Node.js 20 the hooks thread needs more.
  for (const { major, path } of nodeVersions.filter((node) => node.major >= 22)) {
    it(`loads three built-in modules more than plain Node.js ${major}`, () => {
      const archive = join(directory, `${major}.walla`);
      run(path, [cli, 'pack', '--quiet', '-o', archive, 'app.cjs']);
      const plain = new Set(run(path, ['app.cjs']).split(' '));
      const staged = run(path, ['-r', preload, 'app.cjs'], { WALLA_ARCHIVE: archive }).split(' ');
      assert.deepEqual(staged.filter((name) => !plain.has(name)).sort(), ['module', 'os', 'vm']);
    });
  }
});
