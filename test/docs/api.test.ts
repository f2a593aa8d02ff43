import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { packageRoot } from '../run-node.ts';

/** Files of a folder: path to text. */
function read(folder: string, below = ''): [string, string][] {
  return readdirSync(join(folder, below), { withFileTypes: true })
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .flatMap((entry) => {
      const path = join(below, entry.name);
      return entry.isDirectory()
        ? read(folder, path)
        : [[path, readFileSync(join(folder, path), 'utf8')] satisfies [string, string]];
    });
}

test('docs/api is what the docstrings say; npm run docs:api writes it', () => {
  const made = mkdtempSync(join(tmpdir(), 'walla-api-'));
  try {
    const words = ['node_modules/typedoc/bin/typedoc', '--out', made];
    const { status, stderr, stdout } = spawnSync(process.execPath, words, {
      cwd: packageRoot,
      encoding: 'utf8',
    });
    assert.equal(status, 0, stdout + stderr);
    assert.deepEqual(read(join(packageRoot, 'docs/api')), read(made));
  } finally {
    rmSync(made, { recursive: true });
  }
});
