import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { chmodSync, readFileSync, readdirSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { defaultArchivePath } from '../../stage/archive-path.ts';
import { openArchive } from '../../stage/pack/archive-reader.ts';
import { listArchive } from '../../stage/pack/list.ts';
import { pack, type PackOptions } from '../../stage/pack/pack.ts';
import { verifyArchive } from '../../stage/pack/verify.ts';
import { writeTree, type Files, type SourceFiles } from '../fixtures/source-tree.ts';

const LONG = `${'long-'.repeat(30)}name`;

const APP: Files = {
  'app.mjs': `import 'dep'; import './ünïcode-😀.mjs'; import './${LONG}.mjs'; import './new%0Aline.mjs';
    import('absent');`,
  'ünïcode-😀.mjs': '// ünïcode',
  [`${LONG}.mjs`]: '',
  'new\nline.mjs': '',
  'node_modules/dep/package.json': { json: { name: 'dep' } },
  'node_modules/dep/index.js': 'require("./lib")',
  'node_modules/dep/lib.js': '',
};

function packTree(tree: SourceFiles, options: Partial<PackOptions> = {}) {
  return pack({ entries: ['app.mjs'], directory: tree.root, conditions: [], ...options });
}

async function withTree(files: Files, run: (tree: SourceFiles) => Promise<void>): Promise<void> {
  const tree = writeTree(files);
  try {
    await run(tree);
  } finally {
    tree.remove();
  }
}

test('tar lists and unpacks an archive, whatever the names', () =>
  withTree(APP, async (tree) => {
    const out = writeTree({});
    try {
      const { file } = await packTree(tree, { output: out.path('a.walla') });
      const listed = execFileSync('tar', ['tvf', file], { encoding: 'utf8' });
      assert.match(listed, /^-rw-r--r-- 0\/0 .* \.walla\/manifest\.json$/m);
      execFileSync('tar', ['xf', file, '-C', out.root]);
      for (const name of Object.keys(APP)) {
        assert.deepEqual(readFileSync(out.path(name)), readFileSync(tree.path(name)), name);
      }
      await verifyArchive(file);
    } finally {
      out.remove();
    }
  }));

test('the same tree gives the same bytes', () =>
  withTree(APP, async (tree) => {
    const out = writeTree({});
    try {
      const first = await packTree(tree, { output: out.path('a.walla') });
      rmSync(tree.path('.walla'), { recursive: true });
      writeFileSync(tree.path('.walla'), 'nothing can be remembered');
      utimesSync(tree.root, new Date(1e12), new Date(1e12));
      const second = await packTree(tree, { output: out.path('b.walla') });
      const third = await packTree(tree, { output: out.path('c.walla') });
      assert.ok(first.written && second.written && third.written);
      assert.deepEqual(readFileSync(second.file), readFileSync(third.file));
    } finally {
      out.remove();
    }
  }));

test('an archive that still matches its tree is not written again', () =>
  withTree(APP, async (tree) => {
    const first = await packTree(tree);
    assert.equal(first.file, defaultArchivePath(tree.path('app.mjs')));
    assert.deepEqual(readFileSync(tree.path('.walla/.gitignore'), 'utf8'), '*\n');
    assert.equal((await packTree(tree)).written, false);
    writeFileSync(tree.path('README.md'), 'a new file that no import can see');
    assert.equal((await packTree(tree)).written, false);
  }));

const CHANGES: Record<string, (tree: SourceFiles) => void> = {
  'a changed file': (tree) => writeFileSync(tree.path('node_modules/dep/lib.js'), 'changed'),
  'a changed mode': (tree) => chmodSync(tree.path('app.mjs'), 0o600),
  'a removed file': (tree) => {
    writeFileSync(tree.path('node_modules/dep/index.js'), '');
    rmSync(tree.path('node_modules/dep/lib.js'));
  },
  'a package that was absent': (tree) => {
    const other = 'node_modules/absent.js';
    writeFileSync(tree.path(other), '');
  },
  'any new name in a dependency': (tree) => writeFileSync(tree.path('node_modules/dep/x'), ''),
  'a cut archive': (tree) => {
    const file = defaultArchivePath(tree.path('app.mjs'));
    writeFileSync(file, readFileSync(file).subarray(0, 5000));
  },
};

for (const [name, change] of Object.entries(CHANGES)) {
  test(`packs again after ${name}, reading only what changed`, () =>
    withTree(APP, async (tree) => {
      await packTree(tree);
      change(tree);
      const again = await packTree(tree);
      assert.equal(again.written, true);
      assert.ok(again.traced <= 1, `${again.traced} files read`);
      await verifyArchive(again.file);
      assert.equal((await packTree(tree)).written, false);
    }));
}

test('other inputs are another pack', () =>
  withTree(APP, async (tree) => {
    await packTree(tree);
    const again = await packTree(tree, { exclude: ['dep'] });
    assert.equal(again.written, true);
    const { entries } = await listArchive(again.file);
    assert.ok(!entries.some(({ path }) => path.startsWith('node_modules/dep/')));
  }));

test('listings hold every name but .walla, and say which are frozen', () =>
  withTree({ ...APP, 'unrelated.txt': '', 'node_modules/other/x.js': '' }, async (tree) => {
    const { file } = await packTree(tree);
    const { handle, index } = await openArchive(file);
    await handle.close();
    const root = index.find('') ?? -1;
    const names = index.listing(root).map((child) => child.name);
    assert.deepEqual(
      names,
      readdirSync(tree.root)
        .filter((name) => name !== '.walla')
        .sort(),
    );
    const unpacked = index.listing(root).find((child) => child.name === 'unrelated.txt');
    assert.deepEqual(unpacked, { name: 'unrelated.txt', entry: undefined, type: 8 });
    const flags = (path: string) => index.entry(index.find(path) ?? -1).flags;
    assert.equal(flags('') & 6, 2);
    assert.equal(flags('node_modules/dep') & 6, 6);
  }));

test('errors of absent names carry no path of the machine', () =>
  withTree(APP, async (tree) => {
    const { file } = await packTree(tree);
    const { handle, index } = await openArchive(file);
    await handle.close();
    const found = index.resolve(index.find('') ?? -1, 'absent', 'import');
    assert.equal(found?.outcome, 'absent');
    assert.deepEqual(JSON.parse(found.text), {
      name: 'Error',
      code: 'ERR_MODULE_NOT_FOUND',
      message: "Cannot find package 'absent' imported from {parent}",
    });
  }));

test('a file too large for one read keeps its bytes', () => {
  const large = Buffer.alloc(5 * 1024 * 1024 + 7, 'walla');
  return withTree(
    { 'app.mjs': "new URL('./large.bin', import.meta.url)", 'large.bin': large },
    async (tree) => {
      const { file } = await packTree(tree);
      await verifyArchive(file);
      const unpacked = execFileSync('tar', ['xOf', file, 'large.bin'], { maxBuffer: 1e8 });
      assert.ok(unpacked.equals(large));
    },
  );
});

test('refuses a program that is not there, and leaves nothing behind', () =>
  withTree(APP, async (tree) => {
    await assert.rejects(packTree(tree, { entries: ['nope.mjs'] }), { code: 'ERR_WALLA_NO_ENTRY' });
    await assert.rejects(packTree(tree, { include: ['nope/*'] }), { code: 'ERR_WALLA_USAGE' });
    assert.ok(
      !readdirSync(tree.root).includes('.walla') ||
        readdirSync(tree.path('.walla')).every((name) => !name.includes('tmp')),
    );
  }));

test('a recorded run adds what no reading of the code can find', () =>
  withTree(
    {
      'app.mjs': `import fs from 'node:fs'; import './lib.cjs';
        const name = process.argv[2]; await import('./' + name + '.mjs');
        fs.readFileSync(process.argv[3]);`,
      'lib.cjs': "const hidden = ['./hid', 'den.cjs'].join(''); require(hidden);",
      'hidden.cjs': '',
      'late.mjs': '',
      'data.txt': 'data',
      'package.json': { json: {} },
    },
    async (tree) => {
      const { file } = await packTree(tree, { record: ['late', tree.path('data.txt')] });
      const paths = (await listArchive(file)).entries.map(({ path }) => path);
      for (const path of ['hidden.cjs', 'late.mjs', 'data.txt'])
        assert.ok(paths.includes(path), path);
      assert.ok(!(await packTree(tree)).written, 'what was recorded is remembered');
    },
  ));
