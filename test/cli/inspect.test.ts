import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { appendFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';
import type { Comparison } from '../../stage/pack/difference.ts';
import type { Explanation } from '../../stage/pack/explanation.ts';
import { Application, cli, packProgram, runNode, type Outcome } from '../run-node.ts';

const FILES = {
  'app.mjs': `import { a } from './src/a.mjs'; import fs from 'node:fs'; import dep from 'dep';
try { await import('absent'); } catch {}
console.log(a, dep, fs.readFileSync(new URL('./data.txt', import.meta.url), 'utf8'));`,
  'src/a.mjs': `import { b } from './b.mjs'; export const a = b;`,
  'src/b.mjs': `export const b = 1;`,
  'data.txt': 'data é\n',
  'package.json': '{"name":"app","type":"module"}',
  'package-lock.json': '{}',
  'node_modules/dep/package.json': '{"name":"dep","exports":"./index.js","type":"module"}',
  'node_modules/dep/index.js': 'export default "dep";',
};

describe('looking into an archive', () => {
  let app: Application;
  let archive: string;
  const walla = (...args: string[]): Outcome => runNode([cli, ...args]);
  const explained = (...args: string[]): Explanation =>
    JSON.parse(walla('explain', '--json', archive, ...args).stdout) as Explanation;

  before(() => {
    app = new Application(FILES);
    archive = app.path('.walla/app.walla');
    packProgram(app.path('app.mjs'), archive);
  });
  after(() => app.remove());

  describe('cat', () => {
    test('prints a file byte for byte, by relative and by absolute path', () => {
      for (const path of ['data.txt', './data.txt', app.path('data.txt')]) {
        const { status, stdout, stderr } = walla('cat', archive, path);
        assert.deepEqual([status, stdout, stderr], [0, FILES['data.txt'], '']);
      }
    });
    test('prints several, and the manifest', () => {
      assert.equal(
        walla('cat', archive, 'src/a.mjs', 'src/b.mjs').stdout,
        FILES['src/a.mjs'] + FILES['src/b.mjs'],
      );
      const manifest = JSON.parse(walla('cat', archive, '.walla/manifest.json').stdout) as object;
      assert.ok('fingerprint' in manifest);
    });
    test('as JSON says path, size, format and text', () => {
      const listed = JSON.parse(walla('cat', '--json', archive, 'src/b.mjs').stdout) as unknown;
      const text = FILES['src/b.mjs'];
      assert.deepEqual(listed, [{ path: 'src/b.mjs', size: text.length, format: 'module', text }]);
    });
    test('refuses what is not packed, and directories', () => {
      for (const [path, told] of [
        ['nope.txt', /has no file nope\.txt/],
        ['src', /has a directory src/],
        ['../outside', /has no file \.\.\/outside/],
      ] as const) {
        const { status, stdout, stderr } = walla('cat', archive, path);
        assert.deepEqual([status, stdout], [2, '']);
        assert.match(stderr, told);
        assert.match(stderr, /\nhint: walla ls /);
      }
    });
  });

  describe('explain', () => {
    test('says what a name resolves to, and why the file is in', () => {
      const { answers, file, parent } = explained('dep');
      assert.equal(parent, 'app.mjs');
      assert.deepEqual(answers, [
        {
          kind: 'import',
          specifier: 'dep',
          directory: '',
          outcome: 'file',
          answer: 'node_modules/dep/index.js',
        },
      ]);
      assert.equal(file?.path, 'node_modules/dep/index.js');
      assert.equal(file.scope, 'node_modules/dep/package.json');
      assert.match(
        walla('explain', archive, 'dep').stdout,
        /^import dep from app\.mjs: node_modules/,
      );
    });
    test('answers for another parent, and shows the way from the entry', () => {
      const { answers, file } = explained('./b.mjs', 'src/a.mjs');
      assert.equal(answers[0]?.answer, 'src/b.mjs');
      assert.deepEqual(
        file?.chain.map(({ directory, specifier, answer }) => [directory, specifier, answer]),
        [
          ['', './src/a.mjs', 'src/a.mjs'],
          ['src', './b.mjs', 'src/b.mjs'],
        ],
      );
    });
    test('says of builtins and absent names what Node.js said', () => {
      assert.deepEqual(
        explained('node:fs').answers.map(({ outcome, answer }) => [outcome, answer]),
        [['builtin', 'node:fs']],
      );
      assert.deepEqual(
        explained('absent').answers.map(({ outcome, answer }) => [outcome, answer]),
        [['absent', 'ERR_MODULE_NOT_FOUND']],
      );
      assert.match(
        walla('explain', archive, 'absent').stdout,
        /not found \(ERR_MODULE_NOT_FOUND\)/,
      );
    });
    test('takes paths, and gives each kind of file its reason', () => {
      for (const [path, why] of [
        ['app.mjs', /it is an entry/],
        ['src/b.mjs', /a module that an entry reaches loads it/],
        ['data.txt', /packed code names it as a file/],
        ['package.json', /it governs 5 packed files/],
        ['package-lock.json', /it is a lock file/],
      ] as const)
        assert.match(explained(path).file?.why ?? '', why, path);
    });
    test('a name it does not know ends with 3 and says who answers then', () => {
      const { status, stdout } = walla('explain', archive, 'lodash');
      assert.equal(status, 3);
      assert.match(stdout, /Node\.js asks the real file system/);
      assert.deepEqual(explained('lodash').answers, []);
    });
  });

  describe('diff', () => {
    const changes = (...args: string[]) => {
      const { status, stdout } = walla('diff', '--json', ...args);
      const { same, differences } = JSON.parse(stdout) as Comparison & { same: boolean };
      return { status, same, lines: differences.map(({ path, change }) => `${change} ${path}`) };
    };
    test('finds nothing in the tree it was packed from', () => {
      assert.deepEqual(changes(archive), { status: 0, same: true, lines: [] });
      assert.match(walla('diff', archive).stderr, /^walla: no differences in \d+ packed names/);
    });
    test('tells changed, touched, removed and added names of a tree, and of a newer archive', () => {
      appendFileSync(app.path('src/a.mjs'), '\n// more');
      const times = app.path('.walla/times');
      execFileSync('touch', ['-r', app.path('src/b.mjs'), times]);
      writeFileSync(app.path('src/b.mjs'), 'export const b = 2;');
      execFileSync('touch', ['-r', times, app.path('src/b.mjs')]);
      utimesSync(app.path('data.txt'), 1, 1);
      rmSync(app.path('package-lock.json'));
      app.write('node_modules/dep/new.js', '');
      const found = changes(archive);
      assert.deepEqual(found, {
        status: 3,
        same: false,
        lines: [
          'touched data.txt',
          'added node_modules/dep/new.js',
          'removed package-lock.json',
          'changed src/a.mjs',
          'changed src/b.mjs',
        ],
      });
      const { status, stdout, stderr } = walla('diff', archive, app.root);
      assert.equal(status, 3);
      assert.match(stdout, /^M src\/b\.mjs \(other content of the same size\)$/m);
      assert.match(stderr, /5 differences/);
      assert.deepEqual(
        [walla('diff', '-q', archive).stdout, walla('diff', '-q', archive).stderr],
        ['', ''],
      );

      const newer = app.path('.walla/newer.walla');
      packProgram(app.path('app.mjs'), newer);
      assert.deepEqual(changes(archive, newer).lines, [
        'touched data.txt',
        'removed package-lock.json',
        'changed src/a.mjs',
        'changed src/b.mjs',
      ]);
      assert.deepEqual(changes(newer, newer), { status: 0, same: true, lines: [] });
    });
    test('refuses what is neither archive nor directory', () => {
      assert.equal(walla('diff', archive, '/nowhere').status, 2);
      const { status, stderr } = walla('diff', archive, app.path('app.mjs'));
      assert.equal(status, 1);
      assert.match(stderr, /ERR_WALLA_ARCHIVE_/);
    });
  });

  test('a pipe that is closed early is no error', () => {
    const { status, stderr } = runNode([
      '-e',
      `const { spawnSync } = require('node:child_process');
       const { status, stderr } = spawnSync('bash', ['-c', 'set -o pipefail; "$0" "$@" | head -c 1 >&2', ...${JSON.stringify([process.execPath, cli, 'ls', '--json', archive])}], { encoding: 'utf8' });
       process.stderr.write(stderr); process.exitCode = status;`,
    ]);
    assert.deepEqual([status, stderr], [0, '{']);
  });
});
