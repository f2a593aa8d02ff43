/** What packing does with names and files in a source tree that no archive can or should hold. */
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { chmodSync, lstatSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { FLAG_COMPLETE } from '../../stage/format/index-layout.ts';
import { openArchive } from '../../stage/pack/archive-reader.ts';
import { verifyArchive } from '../../stage/pack/verify.ts';
import { Application, cli, type Outcome, runNode } from '../run-node.ts';

/** Bounds a hang: packing these trees takes well under a second. */
const TIMEOUT_MS = 60_000;

function pack(app: Application, ...args: string[]): Outcome {
  const words = [cli, 'pack', '-o', app.path('out.walla'), ...args, app.path('app.cjs')];
  const { status, signal, stdout, stderr } = spawnSync(process.execPath, words, {
    encoding: 'utf8',
    timeout: TIMEOUT_MS,
    cwd: app.root,
  });
  return { status, signal, stdout, stderr };
}

async function packed(app: Application): Promise<Map<string, number>> {
  await verifyArchive(app.path('out.walla'));
  const { handle, index } = await openArchive(app.path('out.walla'));
  await handle.close();
  return new Map([...index.entries()].map(({ path, mode }) => [path, mode]));
}

async function withApp(
  files: Record<string, string>,
  run: (app: Application) => void | Promise<void>,
): Promise<void> {
  const app = new Application(files);
  try {
    await run(app);
  } finally {
    // A path of 4,096 characters is too long for any function that takes one.
    spawnSync('rm', ['-rf', app.root]);
  }
}

const SPECIAL: Record<string, (path: string) => void> = {
  'a FIFO': (path) => execFileSync('mkfifo', [path]),
  'a character device': (path) => execFileSync('mknod', [path, 'c', '1', '5']),
};

for (const [what, make] of Object.entries(SPECIAL)) {
  const skip = what.includes('device') && process.getuid?.() !== 0 ? 'needs root' : false;
  test(`${what} that a program names is left out, and not read`, { skip }, () =>
    withApp(
      {
        'app.cjs': `const fs = require('fs'), path = require('path');
          if (process.argv[2]) { require('./special.js'); require('./special'); import('./special.mjs');
            fs.readFileSync(path.join(__dirname, 'special.txt')); fs.readFileSync(__dirname + '/special.js'); }
          console.log('ran');`,
      },
      async (app) => {
        for (const name of ['special.js', 'special.mjs', 'special.txt', 'package-lock.json'])
          make(app.path(name));
        const { status, signal, stderr } = pack(app, '--include', 'special*');
        assert.match(stderr, /ERR_WALLA_USAGE: --include special\* matches no file/);
        assert.deepEqual([status, signal], [2, null]);
        const plain = pack(app);
        assert.deepEqual([plain.status, plain.signal], [0, null], plain.stderr);
        assert.deepEqual([...(await packed(app)).keys()], ['', 'app.cjs']);
      },
    ),
  );
}

test('setuid bits stay in the index and out of the tar header', () =>
  withApp({ 'app.cjs': "require('./tool')", 'tool.js': '' }, async (app) => {
    chmodSync(app.path('tool.js'), 0o6755);
    assert.equal(pack(app).status, 0);
    assert.equal((await packed(app)).get('tool.js'), 0o106755);
    mkdirSync(app.path('unpacked'));
    execFileSync('tar', ['xpf', app.path('out.walla'), '-C', app.path('unpacked')]);
    assert.equal(lstatSync(app.path('unpacked/tool.js')).mode & 0o7777, 0o755);
  }));

test('names that differ only in case are all packed, and each is served', () =>
  withApp(
    {
      'app.cjs': "console.log(require('./name'), require('./Name'), require('./NAME'))",
      'name.js': 'module.exports = 1',
      'Name.js': 'module.exports = 2',
      'NAME.js': 'module.exports = 3',
    },
    async (app) => {
      assert.equal(pack(app).status, 0);
      await packed(app);
      const env = { WALLA_ARCHIVE: app.path('out.walla') };
      const { stdout } = runNode(['--import', join(cli, '../stage.cjs'), app.path('app.cjs')], {
        env,
      });
      assert.equal(stdout, '1 2 3\n');
    },
  ));

test('a name that is not UTF-8 is left out, with its directory asked of the file system', () =>
  withApp({ 'app.cjs': "require('./lib/a')", 'lib/a.js': '' }, async (app) => {
    const evil = Buffer.concat([Buffer.from(app.path('lib/')), Buffer.from([0xff, 0xfe])]);
    writeFileSync(evil, '');
    assert.equal(pack(app).status, 0);
    assert.deepEqual([...(await packed(app)).keys()], ['', 'app.cjs', 'lib', 'lib/a.js']);
    const { handle, index } = await openArchive(app.path('out.walla'));
    await handle.close();
    assert.equal(index.entry(index.find('lib') ?? -1).flags & FLAG_COMPLETE, 0);
    const { status, stderr } = pack(app, '--include', 'lib/**');
    assert.equal(status, 1);
    assert.match(stderr, /ERR_WALLA_PACK: the name .* is not UTF-8\nhint: .*--exclude/);
  }));

test('a path of more than 4,096 characters cannot be packed, and says so', () =>
  withApp({ 'app.cjs': 'console.log(1)', 'deep/x.js': '' }, (app) => {
    const script = `cd ${app.path('deep')}; for i in $(seq 40); do mkdir ${'d'.repeat(200)}; cd ./${'d'.repeat(200)}; done; echo > x.js`;
    execFileSync('bash', ['-c', script]);
    assert.equal(pack(app).status, 0);
    const { status, stderr } = pack(app, '--include', 'deep/**');
    assert.equal(status, 1);
    assert.match(stderr, /ERR_WALLA_(PACK|UNREADABLE): .*\nhint: /);
    assert.deepEqual(
      readdirSync(app.root).filter((name) => name.includes('.tmp-')),
      [],
    );
  }));

test('a tree deeper than 256 directories cannot be packed, and says so', () =>
  withApp({ 'app.cjs': 'console.log(1)' }, (app) => {
    const deep = `deep${'/d'.repeat(300)}`;
    mkdirSync(app.path(deep), { recursive: true });
    writeFileSync(app.path(`${deep}/x.js`), '');
    const { status, stderr } = pack(app, '--include', 'deep/**');
    assert.equal(status, 1);
    assert.match(stderr, /ERR_WALLA_PACK: the name .* is too long or too deep\nhint: /);
  }));

test('a link that leads in a circle, or nowhere, is left out', () =>
  withApp(
    { 'app.cjs': "try { require('./loop') } catch {} try { require('./gone') } catch {}" },
    async (app) => {
      execFileSync('ln', ['-s', 'loop.js', app.path('loop.js')]);
      execFileSync('ln', ['-s', 'nowhere', app.path('gone.js')]);
      const { status, stderr } = pack(app);
      assert.equal(status, 0, stderr);
      assert.deepEqual([...(await packed(app)).keys()], ['', 'app.cjs']);
    },
  ));
