/** V8 code caches that travel in the archive. */
import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { decodeCodeCaches, encodeCodeCaches } from '../../stage/format/code-cache.ts';
import { nodeVersions } from '../node-versions/index.ts';
import { Application, cli, leftBehind, packageRoot, preload, runNode } from '../run-node.ts';

const FILES = {
  'package.json': '{"name":"app"}',
  'app.mjs': `import { twice } from './lib.mjs'; import one from 'one'; console.log(twice(one));`,
  'lib.mjs': 'export function twice(x) { return 2 * x; }',
  'node_modules/one/package.json': '{"name":"one","main":"one.js"}',
  'node_modules/one/one.js': 'module.exports = 1;',
};

/** Compile caches that Node.js took and refused, by the file's name. */
function cachesUsed(stderr: string): { accepted: string[]; refused: string[] } {
  const names = (how: string) =>
    stderr
      .split('\n')
      .filter((line) => line.includes(`was ${how}`))
      .map((line) => /[^/ ]+\.m?js/.exec(line)?.[0] ?? line)
      .sort();
  return { accepted: names('accepted'), refused: names('rejected') };
}

for (const { major, path: node } of nodeVersions.filter((one) => one.major >= 22))
  describe(`on Node.js ${major}`, () => {
    const app = new Application(FILES);
    const base = mkdtempSync(join(tmpdir(), 'walla-base-'));
    const archive = app.path('app.walla');
    const staged = (flags: string[], env: NodeJS.ProcessEnv = {}) =>
      runNode([...flags, '-r', preload, app.path('app.mjs')], {
        node,
        env: {
          WALLA_ARCHIVE: archive,
          WALLA_DIR: base,
          NODE_DEBUG_NATIVE: 'COMPILE_CACHE',
          ...env,
        },
      });

    test('every module of the program has its code cache from the archive', () => {
      const args = [cli, 'pack', '--quiet', '--code-cache', '-o', archive, app.path('app.mjs')];
      const packed = runNode(args, { node });
      assert.equal(packed.status, 0, packed.stderr);
      assert.equal(packed.stderr, '2\n', "the run's output goes to stderr");
      const { status, stdout, stderr } = staged([]);
      assert.equal(status, 0, stderr);
      assert.equal(stdout, '2\n');
      const { accepted, refused } = cachesUsed(stderr);
      assert.deepEqual(accepted, ['app.mjs', 'lib.mjs', 'one.js']);
      assert.deepEqual(refused, []);
      assert.deepEqual(leftBehind(base), []);
    });

    test('a packed code cache is verified and listed like any file', () => {
      assert.equal(runNode([cli, 'verify', archive], { node }).status, 0);
      assert.match(runNode([cli, 'ls', archive], { node }).stdout, /\.walla\/app\.mjs\.code-cache/);
    });

    test('another set of V8 flags goes without', () => {
      const { status, stdout, stderr } = staged(['--no-lazy']);
      assert.equal(status, 0, stderr);
      assert.equal(stdout, '2\n');
      assert.deepEqual(cachesUsed(stderr), { accepted: [], refused: [] });
    });

    test('a run whose coverage is measured goes without: V8 counts less of what comes from a cache', () => {
      const coverage = mkdtempSync(join(tmpdir(), 'walla-coverage-'));
      const { status, stderr } = staged([], { NODE_V8_COVERAGE: coverage });
      assert.equal(status, 0, stderr);
      assert.deepEqual(cachesUsed(stderr), { accepted: [], refused: [] });
      rmSync(coverage, { recursive: true });
    });

    test("the user's own compile cache is left in place, and the tree is not written to", () => {
      const own = mkdtempSync(join(tmpdir(), 'walla-own-cache-'));
      const before = readdirSync(app.root, { recursive: true }).sort();
      const { status, stderr } = staged([], { NODE_COMPILE_CACHE: own });
      assert.equal(status, 0, stderr);
      assert.deepEqual(cachesUsed(stderr).accepted, []);
      assert.equal(readdirSync(own).length, 1);
      assert.deepEqual(readdirSync(app.root, { recursive: true }).sort(), before);
      rmSync(own, { recursive: true });
      rmSync(base, { recursive: true });
      app.remove();
    });
  });

/** A function that V8 compiles when it is called, and not before. */
const LONG = `export function long(x) { ${'x = x * 3 + 1; '.repeat(200)} return x; }`;

for (const { major, path: node } of nodeVersions.filter((one) => one.major >= 24))
  test(`functions that the program has called are in its code cache, Node.js ${major}`, () => {
    const app = new Application({
      ...FILES,
      'app.mjs': `
        import { long } from './long.mjs';
        import one from 'one';
        process.on('exit', () => console.log('end', long(one) > 0));
        if (process.argv[2]) process.exit(Number(process.argv[2]));`,
      'long.mjs': `console.log('evaluated'); ${LONG}`,
      'node_modules/one/one.js': `console.log('executed'); module.exports = 1;`,
    });
    const own = mkdtempSync(join(tmpdir(), 'walla-own-cache-'));
    const { status } = runNode([app.path('app.mjs')], { node, env: { NODE_COMPILE_CACHE: own } });
    assert.equal(status, 0);
    const usual = readdirSync(own, { recursive: true, withFileTypes: true })
      .filter((file) => file.isFile())
      .map((file) => ({ name: file.name, bytes: statSync(join(file.parentPath, file.name)).size }));
    for (const argument of [[], ['0']]) {
      rmSync(app.path('.walla'), { recursive: true, force: true });
      const args = [cli, 'pack', '--code-cache', '--quiet', app.path('app.mjs'), '--', ...argument];
      const packed = runNode(args, { node });
      assert.equal(packed.status, 0, packed.stderr);
      assert.equal(packed.stderr, 'evaluated\nexecuted\nend true\n', 'run once, to its end');
      const { caches } = decodeCodeCaches(readFileSync(app.path('.walla/app.mjs.code-cache')));
      assert.deepEqual(caches.map(({ name }) => name).sort(), usual.map(({ name }) => name).sort());
      const grown = caches.filter(({ name, data }) =>
        usual.some((other) => other.name === name && data.length > other.bytes + 1000),
      );
      assert.equal(grown.length, 1, 'that of long.mjs');
    }
    rmSync(app.path('.walla'), { recursive: true });
    const failed = runNode([cli, 'pack', '--code-cache', app.path('app.mjs'), '--', '3'], { node });
    assert.match(failed.stderr, /ERR_WALLA_PACK.*exit code 3/);
    rmSync(own, { recursive: true });
    app.remove();
  });

test('Node.js 20 has no compile cache, and says what to do', () => {
  if (Number.parseInt(process.versions.node) !== 20) return;
  const { status, stderr } = runNode([
    cli,
    'pack',
    '--code-cache',
    join(packageRoot, 'examples/hello/app.mjs'),
  ]);
  assert.equal(status, 2);
  assert.match(stderr, /ERR_WALLA_USAGE: Node\.js 20\.\S+ has no compile cache\nhint: /);
});

describe('the file of code caches', () => {
  const caches = [
    { name: '00ff', data: Buffer.from('one') },
    { name: 'a1', data: Buffer.alloc(0) },
  ];
  const bytes = encodeCodeCaches({ tag: 'v1-x64-0', caches });

  test('comes back as it was written', () => {
    assert.deepEqual(decodeCodeCaches(bytes), { tag: 'v1-x64-0', caches });
  });

  test('is refused when it is damaged, or names what is no cache', () => {
    const damaged = [
      Buffer.alloc(0),
      Buffer.from('no JSON\n'),
      Buffer.from('null\n'),
      Buffer.from('{"tag":1,"files":[]}\n'),
      Buffer.from('{"tag":"t","files":[["../evil",0]]}\n'),
      Buffer.from('{"tag":"t","files":[["aa",-1]]}\n'),
      Buffer.from('{"tag":"t","files":[["aa",5]]}\n1234'),
      Buffer.concat([bytes, Buffer.from('x')]),
      bytes.subarray(0, -1),
    ];
    for (const one of damaged)
      assert.throws(() => decodeCodeCaches(one), { code: 'ERR_WALLA_ARCHIVE_DAMAGED' });
  });
});
