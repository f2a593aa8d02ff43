/** What lies outside of a program: its code may name it, but every machine has its own. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { listArchive } from '../../stage/pack/list.ts';
import { pack, type PackOptions } from '../../stage/pack/pack.ts';
import { ProgramExtent } from '../../stage/pack/program-extent.ts';
import { projectOf } from '../../stage/pack/record-scope.ts';
import { writeTree, type Files, type SourceFiles } from '../fixtures/source-tree.ts';

/** Paths of packed files and links, absolute but for what is below the tree. */
async function packed(
  tree: SourceFiles,
  entry: string,
  options: Partial<PackOptions> = {},
): Promise<string[]> {
  const { file } = await pack({
    entries: [tree.path(entry)],
    directory: tree.root,
    output: tree.path('out.walla'),
    conditions: [],
    ...options,
  });
  const { entries, manifest } = await listArchive(file);
  return entries
    .filter(({ type }) => type !== 'directory')
    .map(({ path }) => `${manifest.root === '/' ? '' : manifest.root}/${path}`)
    .map((path) => path.replace(`${tree.root}/`, ''))
    .sort();
}

async function withTree(files: Files, use: (tree: SourceFiles) => Promise<void>): Promise<void> {
  const tree = writeTree(files);
  try {
    await use(tree);
  } finally {
    tree.remove();
  }
}

test('leaves out system files that code names, however it does', async () => {
  const files = {
    'app/main.mjs': `import fs from 'node:fs'; import './reads.cjs';
      fs.readFileSync(new URL('/etc/passwd', import.meta.url)); fs.readFileSync('../beside/x.txt');`,
    'app/reads.cjs': `const fs = require('fs'); const { join } = require('path');
      fs.readFileSync('/etc/hostname'); fs.readFileSync('/etc/os-release'); fs.readFileSync(join('/usr', 'bin', 'ldd'));
      fs.readFileSync(join(__dirname, 'hosts')); fs.readFileSync(join(__dirname, 'data', 'own.txt'));
      try { require('/etc/os-release') } catch {}`,
    'app/package.json': '{}',
    'app/data/own.txt': '',
    'app/hosts': { link: '/etc/hosts' },
    'beside/x.txt': '',
  };
  await withTree(files, async (tree) => {
    const expected = ['app/data/own.txt', 'app/main.mjs', 'app/package.json', 'app/reads.cjs'];
    assert.deepEqual(await packed(tree, 'app/main.mjs'), expected);
    writeFileSync(
      tree.path('app/other.cjs'),
      `require('fs').readFileSync('${tree.path('beside/x.txt')}')`,
    );
    assert.deepEqual(await packed(tree, 'app/other.cjs'), ['app/other.cjs', 'app/package.json']);
  });
});

test('packs what --include names outside of the program', async () => {
  await withTree(
    { 'app/main.mjs': '', 'app/package.json': '{}', 'beside/x.txt': '' },
    async (tree) => {
      const include = [tree.path('beside/x.txt'), '/etc/passwd'];
      assert.deepEqual(await packed(tree, 'app/main.mjs', { include }), [
        '/etc/passwd',
        'app/main.mjs',
        'app/package.json',
        'beside/x.txt',
      ]);
    },
  );
});

test('packs the assets of packages wherever they are', async () => {
  const files = {
    'mono/apps/one/main.cjs': `require('linked'); require('hoisted'); require('stored'); require('@me/lib');
      const fs = require('fs'); const { join } = require('path');
      fs.readFileSync(join(__dirname, '../../shared/a.txt')); fs.readFileSync(join(__dirname, '../../node_modules/stored/b.txt'));`,
    'mono/apps/one/package.json': '{}',
    'mono/package.json': '{}',
    'mono/shared/a.txt': '',
    'mono/libs/lib/index.js': "require('fs').readFileSync(__dirname + '/c.txt')",
    'mono/libs/lib/c.txt': '',
    'mono/node_modules/@me/lib': { link: '../../libs/lib' },
    'mono/node_modules/hoisted/index.js': "require('fs').readFileSync(__dirname + '/d.txt')",
    'mono/node_modules/hoisted/d.txt': '',
    'mono/node_modules/linked': { link: '../../linked' },
    'linked/package.json': '{"main": "dist/index.js"}',
    'linked/dist/index.js':
      "require('fs').readFileSync(__dirname + '/../e.txt'); require('fs').readFileSync(__dirname + '/../../secret.txt')",
    'linked/e.txt': '',
    'secret.txt': '',
    'mono/node_modules/stored': { link: '../../store/1/node_modules/stored' },
    'store/1/node_modules/stored/index.js': "require('fs').readFileSync(__dirname + '/f.txt')",
    'store/1/node_modules/stored/b.txt': '',
    'store/1/node_modules/stored/f.txt': '',
  };
  await withTree(files, async (tree) => {
    const expected = Object.keys(files).filter((path) => path !== 'secret.txt');
    assert.deepEqual(await packed(tree, 'mono/apps/one/main.cjs'), expected.sort());
  });
});

test('leaves out what a recorded run read and ran outside of the program', async () => {
  const files = {
    'app/main.cjs': `const fs = require('fs'); const name = (...parts) => parts.join('/');
      fs.readFileSync(name('', 'etc', 'hostname')); fs.readFileSync(name('', 'proc', 'self', 'stat')); fs.readFileSync(name(__dirname, 'hosts'));
      fs.readFileSync(name(__dirname, 'data.txt')); require(name('.', 'late.cjs')); require(name('linked'));
      require('child_process').execFileSync(process.execPath, [name(__dirname, '..', 'tool', 'tool.cjs')]);`,
    'app/late.cjs': '',
    'app/data.txt': '',
    'app/hosts': { link: '/etc/hosts' },
    'app/package.json': '{}',
    'app/node_modules/linked': { link: '../../linked' },
    'linked/index.js': "require(['.', 'part.js'].join('/'))",
    'linked/part.js': '',
    'linked/package.json': '{}',
    'tool/tool.cjs': "require('./part.cjs')",
    'tool/part.cjs': '',
  };
  await withTree(files, async (tree) => {
    const expected = Object.keys(files).filter((path) => !/hosts|tool/.test(path));
    assert.deepEqual(await packed(tree, 'app/main.cjs', { record: [] }), expected.sort());
  });
});

test('a program installed for all users ends at their node_modules, one in the root of the system at its own files', async () => {
  const files = { 'lib/node_modules/tool/bin.cjs': '', 'lib/node_modules/tool/package.json': '{}' };
  await withTree(files, (tree) => {
    assert.equal(projectOf(tree.path('lib/node_modules/tool')), tree.path('lib/node_modules'));
    writeFileSync(tree.path('lib/package.json'), '{}');
    assert.equal(projectOf(tree.path('lib/node_modules/tool')), tree.path('lib'));
    return Promise.resolve();
  });
  const inRoot = new ProgramExtent(['/']);
  const paths = ['/data.txt', '/app/data.txt', '/etcetera', '/etc/hostname', '/usr/bin/ldd'];
  assert.deepEqual(
    paths.filter((path) => inRoot.holds(path)),
    paths.slice(0, 3),
  );
});
