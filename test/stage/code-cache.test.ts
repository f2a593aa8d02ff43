/** V8 code caches that travel in the archive. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { decodeCodeCaches, encodeCodeCaches } from '../../stage/format/code-cache.ts';
import { nodeVersions } from '../node-versions/index.ts';
import { decodeManifest, type Manifest } from '../../stage/format/manifest.ts';
import {
  Application,
  cleanEnvironment,
  cli,
  leftBehind,
  packageRoot,
  packProgram,
  preload,
  runNode,
} from '../run-node.ts';

const FILES = {
  'package.json': '{"name":"app"}',
  'app.mjs': `import { twice } from './lib.mjs'; import one from 'one'; console.log(twice(one));`,
  'lib.mjs': 'export function twice(x) { return 2 * x; }',
  'node_modules/one/package.json': '{"name":"one","main":"one.js"}',
  'node_modules/one/one.js': 'module.exports = 1;',
};

function manifestOf(archive: Buffer): { offset: number; codeCache: Manifest['codeCache'] } {
  const bytes = Number.parseInt(archive.toString('latin1', 124, 135), 8);
  const { body, codeCache } = decodeManifest(archive.subarray(512, 512 + bytes));
  return { offset: body.offset, codeCache };
}

function codeCachesOf(file: string): ReturnType<typeof decodeCodeCaches> {
  const archive = readFileSync(file);
  const { offset, codeCache } = manifestOf(archive);
  assert.ok(codeCache);
  const at = offset + codeCache.offset;
  return decodeCodeCaches(archive.subarray(at, at + codeCache.bytes));
}

/** A manifest member that was changed, with its own digest set right. */
function signed(member: Buffer): Buffer {
  const at = member.lastIndexOf('"sha256"') + '"sha256": "'.length;
  member.write('0'.repeat(64), at);
  member.write(createHash('sha256').update(member).digest('hex'), at);
  return member;
}

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

    test('code caches are a member of the archive that is verified, and no file of the program', () => {
      const verified = runNode([cli, 'verify', archive], { node });
      assert.equal(verified.status, 0, verified.stderr);
      assert.doesNotMatch(runNode([cli, 'ls', archive], { node }).stdout, /code-cache/);
      const listed = spawnSync('tar', ['tf', archive], { encoding: 'utf8' }).stdout.split('\n');
      assert.equal(listed[2], '.walla/code-cache');
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

/** Without any flag: what is packed is compiled and not run. */
for (const { major, path: node } of nodeVersions.filter((one) => one.major >= 22))
  describe(`by default, on Node.js ${major}`, () => {
    const app = new Application({
      ...FILES,
      'app.mjs': `
        import { writeFileSync } from 'node:fs';
        writeFileSync(new URL('ran', import.meta.url), '');
        import { twice } from './lib.mjs';
        import one from 'one';
        import data from './data.json' with { type: 'json' };
        console.log(twice(one), data);
        await import('./broken.mjs').catch(({ name, message }) => console.log(name, message));
        await import('./gone.mjs').catch(({ code }) => console.log(code));`,
      'data.json': '[1]',
      'alone.mjs': `console.log('evaluated');`,
      'broken.mjs': 'this is no JavaScript;',
      'gone.mjs': `import './nowhere.mjs';`,
      'broken.cjs': 'neither is this;',
      'ran.cjs': `require('node:fs').writeFileSync(__dirname + '/ran', '');`,
    });
    const base = mkdtempSync(join(tmpdir(), 'walla-base-'));
    const archives = mkdtempSync(join(tmpdir(), 'walla-archives-'));
    const archive = join(archives, 'app.walla');
    const pack = (flags: string[], env: NodeJS.ProcessEnv = {}) =>
      runNode([cli, 'pack', '--include', app.path('*.{c,m}js'), ...flags, app.path('app.mjs')], {
        node,
        env,
      });
    const staged = (env: NodeJS.ProcessEnv = {}) =>
      runNode(['-r', preload, app.path('app.mjs')], {
        node,
        env: { WALLA_ARCHIVE: archive, WALLA_DIR: base, ...env },
      });

    test('every module that can be compiled has its code cache, and walla too, and none is run', () => {
      const { status, stderr } = pack(['-o', archive]);
      assert.equal(status, 0, stderr);
      assert.match(stderr, /^walla: packed 11 files, .* 7 code caches, /);
      assert.ok(!existsSync(app.path('ran')));
      assert.equal(runNode([cli, 'verify', archive], { node }).status, 0);
    });

    test('the same tree gives the same bytes, whatever is set for the programs of the user', () => {
      const other = join(archives, 'other.walla');
      const preloaded = join(archives, 'preloaded.cjs');
      writeFileSync(preloaded, `if (/code-cache-of/.test(process.argv[1])) process.exit(1);`);
      const env = {
        NODE_OPTIONS: `--max-old-space-size=500 --require ${preloaded}`,
        NODE_COMPILE_CACHE: join(archives, 'own'),
      };
      assert.equal(pack(['-o', other], env).status, 0);
      assert.ok(readFileSync(other).equals(readFileSync(archive)));
      rmSync(other);
    });

    test('they are used, and what fails fails as ever', () => {
      const plain = runNode([app.path('app.mjs')], { node });
      rmSync(app.path('ran'));
      const { status, stdout, stderr } = staged({ NODE_DEBUG_NATIVE: 'COMPILE_CACHE' });
      assert.equal(status, 0, stderr);
      assert.equal(stdout, plain.stdout);
      const { accepted, refused } = cachesUsed(stderr);
      assert.deepEqual(accepted, ['app.mjs', 'gone.mjs', 'lib.mjs', 'one.js']);
      assert.deepEqual(refused, []);
      rmSync(app.path('ran'));
      assert.deepEqual(leftBehind(base), []);
    });

    for (const flags of [['--inspect=127.0.0.1:0'], ['--experimental-test-coverage']])
      test(`a program that is looked at goes without: ${flags.join(' ')}`, () => {
        const { stderr } = runNode([...flags, '-r', preload, app.path('app.mjs')], {
          node,
          env: { WALLA_ARCHIVE: archive, WALLA_DIR: base, NODE_DEBUG_NATIVE: 'COMPILE_CACHE' },
        });
        assert.deepEqual(cachesUsed(stderr).accepted, []);
        rmSync(app.path('ran'));
      });

    test('an archive is up to date only with the code caches that are asked for', () => {
      const isCurrent = (...flags: string[]) =>
        pack([...flags, '-o', archive]).stderr.includes('is up to date');
      assert.ok(isCurrent());
      assert.ok(!isCurrent('--no-code-cache'));
      assert.ok(!existsSync(app.path('ran')));
      assert.ok(isCurrent('--no-code-cache'));
      const { status, stderr } = staged({ NODE_DEBUG_NATIVE: 'COMPILE_CACHE' });
      assert.equal(status, 0);
      assert.deepEqual(cachesUsed(stderr), { accepted: [], refused: [] });
      rmSync(app.path('ran'));
      assert.ok(!isCurrent());
    });

    test('code caches that are not those of the manifest are refused', () => {
      const whole = readFileSync(archive);
      const { offset, codeCache } = manifestOf(whole);
      assert.ok(codeCache);
      const text = (bytes: Buffer) => bytes.toString('latin1');
      for (const [from, to] of [
        ['"count": 7', '"count": 6'],
        [`"offset": ${codeCache.offset}`, `"offset": ${codeCache.offset + 1}`],
        [`"bytes": ${codeCache.bytes}`, `"bytes": ${codeCache.bytes - 1}`],
      ] as const) {
        const manifest = text(whole.subarray(512, offset)).replace(from, to);
        const changed = Buffer.concat([
          whole.subarray(0, 512),
          signed(Buffer.from(manifest, 'latin1')),
          whole.subarray(offset),
        ]);
        const file = join(archives, 'changed.walla');
        writeFileSync(file, changed);
        const { status, stderr } = runNode([cli, 'verify', file], { node });
        assert.equal(status, 1, from);
        assert.match(stderr, /ERR_WALLA_ARCHIVE_DAMAGED/);
        rmSync(file);
      }
      rmSync(base, { recursive: true });
      rmSync(archives, { recursive: true });
      app.remove();
    });
  });

for (const { major, path: node } of nodeVersions.filter((one) => one.major >= 22))
  test(`a program that looks at its own code goes without, however often it runs, Node.js ${major}`, () => {
    const app = new Application({
      'package.json': '{"name":"app"}',
      'app.mjs': `import 'node:inspector'; import './lib.mjs';`,
      'lib.mjs': 'export function twice(x) { return 2 * x; }',
    });
    const base = mkdtempSync(join(tmpdir(), 'walla-base-'));
    const archive = app.path('app.walla');
    packProgram(app.path('app.mjs'), archive, { node });
    for (let run = 0; run < 2; run++) {
      const { status, stderr } = runNode(['-r', preload, app.path('app.mjs')], {
        node,
        env: {
          WALLA_ARCHIVE: archive,
          WALLA_DIR: base,
          WALLA_KEEP: '1',
          NODE_DEBUG_NATIVE: 'COMPILE_CACHE',
        },
      });
      assert.equal(status, 0, stderr);
      assert.deepEqual(cachesUsed(stderr), { accepted: [], refused: [] });
    }
    const again = runNode([cli, 'pack', '-o', archive, app.path('app.mjs')], { node });
    assert.match(again.stderr, /is up to date/);
    rmSync(base, { recursive: true });
    app.remove();
  });

test('where there is no room for code caches a program runs without', (t) => {
  const node = nodeVersions.find((one) => one.major >= 24)?.path;
  if (node === undefined) return t.skip('no Node.js 24 here');
  const modules = 300;
  const names = Array.from({ length: modules }, (_, i) => `m${i}`);
  const app = new Application({
    'app.mjs': names.map((name) => `import './${name}.mjs';`).join('\n') + `console.log('ran');`,
    ...Object.fromEntries(names.map((name) => [`${name}.mjs`, 'export {};'])),
  });
  const archive = app.path('app.walla');
  packProgram(app.path('app.mjs'), archive, { node });
  const base = mkdtempSync(join(tmpdir(), 'walla-base-'));
  // Each cache takes a page of its own; in the archive it takes a few hundred bytes.
  const kib = Math.ceil(statSync(archive).size / 1024) + 2 * modules;
  const inTmpfs = `mount -t tmpfs -o size=${kib}k none ${base} && exec "$@"`;
  const program = ['-r', preload, app.path('app.mjs')];
  const { status, stdout, stderr } = spawnSync(
    'unshare',
    ['-rm', 'sh', '-c', inTmpfs, 'sh', node, ...program],
    { encoding: 'utf8', env: { ...cleanEnvironment(), WALLA_ARCHIVE: archive, WALLA_DIR: base } },
  );
  rmSync(base, { recursive: true });
  app.remove();
  if (/unshare|mount/.test(stderr)) return t.skip(`no mounts here: ${stderr.trim()}`);
  assert.equal(stderr, '');
  assert.equal(stdout, 'ran\n');
  assert.equal(status, 0);
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
      const file = app.path('app.walla');
      const words = ['--code-cache', '--quiet', '-o', file, app.path('app.mjs'), '--', ...argument];
      const packed = runNode([cli, 'pack', ...words], { node });
      assert.equal(packed.status, 0, packed.stderr);
      assert.equal(packed.stderr, 'evaluated\nexecuted\nend true\n', 'run once, to its end');
      const own = (name: string) => name.length === 16;
      const caches = codeCachesOf(file).caches.filter(({ name }) => !own(name));
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

describe('the member of code caches', () => {
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
