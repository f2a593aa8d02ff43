import assert from 'node:assert/strict';
import { test } from 'node:test';
import { listArchive } from '../../stage/pack/list.ts';
import { pack } from '../../stage/pack/pack.ts';
import { writeTree } from '../fixtures/source-tree.ts';

const strips = Boolean((process.features as { typescript?: unknown }).typescript);

test('TypeScript is code where Node.js strips types, and data elsewhere', async () => {
  const tree = writeTree({
    'app.mjs': "import './module.ts'; import './common.cts'; import './enum.ts'; import 'dep/x.ts'",
    'module.ts':
      "import { type T } from './other.mts'; import type { U } from './types.ts'; export const a: T = 1;",
    'common.cts': "const b: string = require('./late.cts');",
    'late.cts': '',
    'other.mts': 'export type T = number; export {};',
    'types.ts': 'export type U = number;',
    'enum.ts': 'enum E { A }',
    'node_modules/dep/x.ts': 'let x: number;',
  });
  try {
    const { file } = await pack({ entries: ['app.mjs'], directory: tree.root });
    const formats = Object.fromEntries(
      (await listArchive(file)).entries
        .filter(({ type, path }) => type === 'file' && path !== 'app.mjs')
        .map(({ path, format }) => [path, format]),
    );
    const code = {
      'common.cts': 'commonjs-typescript',
      'late.cts': 'commonjs-typescript',
      'module.ts': 'module-typescript',
      'other.mts': 'module-typescript',
    };
    const data = { 'common.cts': undefined, 'module.ts': undefined };
    const always = { 'enum.ts': undefined, 'node_modules/dep/x.ts': undefined };
    assert.deepEqual(formats, { ...(strips ? code : data), ...always });
  } finally {
    tree.remove();
  }
});
