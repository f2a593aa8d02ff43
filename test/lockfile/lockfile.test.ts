/** `walla pack --lockfile`: the same archive as from an installed tree, without one. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, beforeEach, describe, test } from 'node:test';
import { openArchive } from '../../stage/pack/archive-reader.ts';
import { listArchive } from '../../stage/pack/list.ts';
import { nodeVersions } from '../node-versions/index.ts';
import { Application, cleanEnvironment, cli, type Outcome, runStaged } from '../run-node.ts';
import { breakAfter } from '../transport/server.ts';
import { integrityOf, tarballPath, type TestPackage, TestRegistry } from './registry.ts';

const ALPHA: TestPackage = {
  name: 'alpha',
  version: '1.0.0',
  fields: { main: 'lib/main.js', dependencies: { '@scope/beta': '^2.0.0' }, bin: 'cli.js' },
  files: {
    'lib/main.js': "module.exports = `alpha with ${require('@scope/beta')}`;",
    'cli.js': '#!/usr/bin/env node\n',
    'README.md': 'read me',
    '.gitignore': 'dist\n',
  },
};
const BETA: TestPackage = {
  name: '@scope/beta',
  version: '2.1.0',
  fields: { exports: { import: './index.mjs', require: './index.cjs' } },
  files: {
    'index.mjs': "export default 'beta (import)';",
    'index.cjs': "module.exports = 'beta (require)';",
  },
};
const OLD_BETA: TestPackage = {
  ...BETA,
  version: '1.0.0',
  files: { 'index.cjs': "module.exports = 'old beta';" },
};
const NATIVE: TestPackage = {
  name: 'native',
  version: '1.0.0',
  fields: { optionalDependencies: { 'native-linux-x64': '1.0.0', 'native-darwin-arm64': '1.0.0' } },
  files: {
    'index.js': `let name = 'none'; try { name = require('native-' + process.platform + '-' + process.arch); } catch {}
module.exports = name;`,
  },
};
const NATIVE_HERE: TestPackage = {
  name: 'native-linux-x64',
  version: '1.0.0',
  fields: { os: ['linux'], cpu: ['x64'] },
  files: { 'index.js': "module.exports = 'native for linux-x64';" },
};
const NATIVE_THERE: TestPackage = {
  name: 'native-darwin-arm64',
  version: '1.0.0',
  fields: { os: ['darwin'], cpu: ['arm64'], dependencies: { 'only-darwin': '1.0.0' } },
};
const ONLY_DARWIN: TestPackage = { name: 'only-darwin', version: '1.0.0' };
const SCRIPTED: TestPackage = {
  name: 'scripted',
  version: '3.0.0',
  fields: { scripts: { install: 'node-gyp rebuild' } },
  files: { 'index.js': "module.exports = require('./build/Release/scripted.node');" },
};
const PACKAGES = [ALPHA, BETA, OLD_BETA, NATIVE, NATIVE_HERE, NATIVE_THERE, ONLY_DARWIN, SCRIPTED];

const PROGRAM = `
import alpha from 'alpha';
import beta from '@scope/beta';
import native from 'native';
import workspace from 'workspace';
import { readFileSync } from 'node:fs';
let absent = 'there'; try { await import('not-there'); } catch (error) { absent = error.code; }
const data = readFileSync(new URL('./data/large.txt', import.meta.url), 'utf8').length;
console.log(JSON.stringify([alpha, beta, native, workspace, absent, data, import.meta.url]));
`;

const registry = new TestRegistry();
let app: Application;
let base: string;
let home: string;

function lock(packages: Record<string, unknown>): string {
  const root = { name: 'app', version: '1.0.0', workspaces: ['packages/*'] };
  return JSON.stringify({
    name: 'app',
    version: '1.0.0',
    lockfileVersion: 3,
    packages: { '': root, ...packages },
  });
}

function goodLock(): Record<string, Record<string, unknown>> {
  return {
    'node_modules/alpha': registry.entry(ALPHA),
    'node_modules/@scope/beta': registry.entry(BETA),
    'node_modules/native': registry.entry(NATIVE),
    'node_modules/native-linux-x64': registry.entry(NATIVE_HERE, { optional: true }),
    'node_modules/native-darwin-arm64': registry.entry(NATIVE_THERE, { optional: true }),
    'node_modules/only-darwin': registry.entry(ONLY_DARWIN, { optional: true }),
    'node_modules/workspace': { resolved: 'packages/workspace', link: true },
    'packages/workspace': { version: '1.0.0', dependencies: { '@scope/beta': '^1.0.0' } },
    'packages/workspace/node_modules/@scope/beta': registry.entry(OLD_BETA),
  };
}

before(async () => {
  await registry.server.listen();
  for (const one of PACKAGES) await registry.add(one);
  app = new Application({
    'package.json': JSON.stringify({
      name: 'app',
      version: '1.0.0',
      workspaces: ['packages/*'],
      dependencies: { alpha: '^1.0.0', '@scope/beta': '^2.0.0', native: '^1.0.0' },
    }),
    'app.mjs': PROGRAM,
    'data/large.txt': 'x'.repeat(3 * 1024 * 1024),
    'packages/workspace/package.json': JSON.stringify({
      name: 'workspace',
      version: '1.0.0',
      main: 'index.js',
      dependencies: { '@scope/beta': '^1.0.0' },
    }),
    'packages/workspace/index.js': "module.exports = 'workspace with ' + require('@scope/beta');",
    'package-lock.json': '',
  });
  base = app.path('../walla-lockfile-base-' + String(process.pid));
  home = join(base, 'home');
  mkdirSync(home, { recursive: true });
});
after(() => {
  registry.server.close();
  app.remove();
  rmSync(base, { recursive: true, force: true });
});
beforeEach(() => {
  registry.faults.clear();
  registry.server.seen.length = 0;
  rmSync(home, { recursive: true });
  mkdirSync(home);
  rmSync(app.path('.npmrc'), { force: true });
  app.write('package-lock.json', lock(goodLock()));
});

/** Not by spawnSync: the registry runs in this process. */
function walla(
  args: string[],
  env: NodeJS.ProcessEnv = {},
  node = process.execPath,
): Promise<Outcome> {
  return new Promise((resolve) => {
    const clean = Object.entries(cleanEnvironment()).filter(([name]) => !/^npm_|proxy/i.test(name));
    const child = spawn(node, [cli, ...args], {
      cwd: app.root,
      env: { ...Object.fromEntries(clean), HOME: home, XDG_CACHE_HOME: '', TMPDIR: base, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const out = { stdout: '', stderr: '' };
    child.stdout.setEncoding('utf8').on('data', (text: string) => (out.stdout += text));
    child.stderr.setEncoding('utf8').on('data', (text: string) => (out.stderr += text));
    child.on('close', (status, signal) => resolve({ status, signal, ...out }));
  });
}

function pack(env: NodeJS.ProcessEnv = {}, ...more: string[]): Promise<Outcome> {
  return walla(
    ['pack', 'app.mjs', '--lockfile', 'package-lock.json', '-o', join(base, 'app.walla'), ...more],
    env,
  );
}

/** Nothing of a pack stays in the temporary directory. */
function assertClean(): void {
  assert.deepEqual(
    readdirSync(base).filter((name) => /^walla-mirror-|\.tmp-/.test(name)),
    [],
  );
}

async function refused(code: string, message: RegExp, ...more: string[]): Promise<void> {
  const outcome = await pack({ WALLA_HTTP_TIMEOUT: '0.5' }, ...more);
  assert.equal(outcome.status, 1, outcome.stderr);
  assert.match(outcome.stderr, new RegExp(`^walla: ${code}: [^\n]*\nhint: [^\n]+\n$`));
  assert.match(outcome.stderr, message);
  assertClean();
}

describe('an archive from a lock file', () => {
  test('holds what one of the installed tree holds, and is the same each time', async () => {
    const first = await pack();
    assert.equal(first.status, 0, first.stderr);
    assert.match(first.stderr, /walla: 5 packages: 5 downloaded/);
    assert.ok(!existsSync(app.path('node_modules')));
    const archive = readFileSync(join(base, 'app.walla'));
    assert.match((await pack()).stderr, /walla: 5 packages: 0 downloaded .*, 5 kept from before/);
    assert.ok(archive.equals(readFileSync(join(base, 'app.walla'))));

    const locked = await listArchive(join(base, 'app.walla'));
    await installByNpm();
    try {
      const packed = await walla(['pack', 'app.mjs', '-o', join(base, 'installed.walla')]);
      assert.equal(packed.status, 0, packed.stderr);
      const installed = await listArchive(join(base, 'installed.walla'));
      // What npm adds for itself, and when it did: nothing a program sees.
      const compared = ({ entries }: typeof locked) =>
        entries
          .filter(({ path }) => !path.endsWith('.package-lock.json'))
          .map(({ path, mode, format, link, size }) => [
            path,
            mode,
            format,
            link,
            mode & 0o40000 ? 0 : size,
          ]);
      assert.deepEqual(compared(locked), compared(installed));
      assert.deepEqual(locked.resolutions, installed.resolutions);
      assert.deepEqual(
        await contents(join(base, 'app.walla')),
        await contents(join(base, 'installed.walla')),
      );
    } finally {
      rmSync(app.path('node_modules'), { recursive: true });
      rmSync(app.path('packages/workspace/node_modules'), { recursive: true, force: true });
    }
    assertClean();
  });

  for (const { major, path: node } of nodeVersions) {
    test(`runs staged on Node.js ${major} where nothing is installed`, async () => {
      const packed = await walla(
        ['pack', 'app.mjs', '--lockfile', 'package-lock.json', '-o', join(base, `${major}.walla`)],
        {},
        node,
      );
      assert.equal(packed.status, 0, packed.stderr);
      const env = { WALLA_ARCHIVE: join(base, `${major}.walla`), WALLA_DIR: base };
      const { status, stdout, stderr } = runStaged([app.path('app.mjs')], { node, env });
      assert.equal(status, 0, stderr);
      assert.equal(stderr, '');
      const url = new URL(`file://${app.path('app.mjs')}`).href;
      assert.deepEqual(JSON.parse(stdout), [
        'alpha with beta (require)',
        'beta (import)',
        'native for linux-x64',
        'workspace with old beta',
        'ERR_MODULE_NOT_FOUND',
        3 * 1024 * 1024,
        url,
      ]);
    });
  }

  test('is stale when a file of the program or the lock file changes, not for lack of packages', async () => {
    await pack();
    const env = { WALLA_ARCHIVE: join(base, 'app.walla'), WALLA_DIR: base };
    const run = () => runStaged([app.path('app.mjs')], { env });
    assert.equal(run().status, 0);
    app.write('package-lock.json', lock(goodLock()) + '\n');
    assert.match(run().stderr, /ERR_WALLA_STALE: .*package-lock\.json was changed/);
    await pack();
    assert.equal(run().status, 0);
    app.write(
      'packages/workspace/index.js',
      "module.exports = 'edited ' + require('@scope/beta');",
    );
    assert.match(run().stderr, /ERR_WALLA_STALE: .*packages\/workspace\/index\.js was changed/);
  });

  test('takes tarballs from npm’s cache, and from files of the tree', async () => {
    const bytes = registry.tarballs.get(tarballPath('alpha', '1.0.0')) ?? Buffer.alloc(0);
    writeFileSync(app.path('alpha.tgz'), bytes);
    const local = { ...registry.entry(ALPHA), resolved: 'file:alpha.tgz' };
    app.write('package-lock.json', lock({ ...goodLock(), 'node_modules/alpha': local }));
    const beta = registry.tarballs.get(tarballPath('@scope/beta', '2.1.0')) ?? Buffer.alloc(0);
    const hex = Buffer.from(integrityOf(beta).slice(7), 'base64').toString('hex');
    const cached = join(home, '.npm/_cacache/content-v2/sha512', hex.slice(0, 2), hex.slice(2, 4));
    mkdirSync(cached, { recursive: true });
    writeFileSync(join(cached, hex.slice(4)), beta);
    const { status, stderr } = await pack();
    assert.equal(status, 0, stderr);
    assert.match(stderr, /5 packages: 3 downloaded/);
    rmSync(app.path('alpha.tgz'));
  });

  test('asks the registry of .npmrc with its token, and shows the token nowhere', async () => {
    const url = new URL(registry.server.url('/'));
    app.write('.npmrc', `registry=${url.href}\n//${url.host}/:_authToken=\${TOKEN}\n`);
    const packages = goodLock();
    for (const fields of Object.values(packages)) {
      if (typeof fields['resolved'] !== 'string' || fields['link']) continue;
      fields['resolved'] = fields['resolved'].replace(url.origin, 'https://registry.npmjs.org');
    }
    Reflect.deleteProperty(packages['node_modules/alpha'] ?? {}, 'resolved');
    app.write('package-lock.json', lock(packages));
    const good = await pack({ TOKEN: 'secret-token' });
    assert.equal(good.status, 0, good.stderr);
    assert.ok(registry.server.seen.length > 0);
    for (const { headers } of registry.server.seen)
      assert.equal(headers.authorization, 'Bearer secret-token');
    rmSync(home, { recursive: true });
    mkdirSync(home);
    registry.faults.set(
      tarballPath('alpha', '1.0.0'),
      (_, response) => void response.writeHead(403).end(),
    );
    const bad = await pack({ TOKEN: 'secret-token' });
    assert.match(bad.stderr, /ERR_WALLA_TRANSFER: .*answered 403\nhint: renew the token of /);
    assert.doesNotMatch(good.stderr + bad.stderr + good.stdout, /secret-token/);
  });

  test('leaves out what --omit names', async () => {
    app.write(
      'package-lock.json',
      lock({ ...goodLock(), 'node_modules/dev': { version: '1.0.0', dev: true } }),
    );
    const { status, stderr } = await pack({}, '--omit', 'dev', '--omit', 'optional');
    assert.equal(status, 0, stderr);
    assert.match(stderr, /4 packages/);
    const { status: usage, stderr: said } = await pack({}, '--omit', 'devs');
    assert.equal(usage, 2);
    assert.match(said, /ERR_WALLA_USAGE: .*one of dev, optional, peer/);
  });
});

describe('packing from a lock file refuses', () => {
  const alpha = tarballPath('alpha', '1.0.0');

  test('a package that is not what the lock file says', async () => {
    const wrong = registry.entry(ALPHA, { integrity: integrityOf(Buffer.from('other')) });
    app.write('package-lock.json', lock({ ...goodLock(), 'node_modules/alpha': wrong }));
    await refused(
      'ERR_WALLA_INTEGRITY',
      /alpha@1\.0\.0 from .* has sha512-.*the lock file says sha512-/,
    );
    const sha1 = registry.entry(ALPHA, {
      integrity: integrityOf(registry.tarballs.get(alpha) ?? Buffer.alloc(0), 'sha1'),
    });
    app.write('package-lock.json', lock({ ...goodLock(), 'node_modules/alpha': sha1 }));
    const good = await pack();
    assert.equal(good.status, 0, good.stderr);
  });

  test('one that the registry does not have, and asks once', async () => {
    registry.faults.set(alpha, (_, response) => void response.writeHead(404).end());
    await refused('ERR_WALLA_TRANSFER', /alpha-1\.0\.0\.tgz: the registry answered 404/);
    assert.equal(registry.server.seen.filter(({ url }) => url === alpha).length, 1);
  });

  test('a registry that stays silent, or breaks off each time', async () => {
    registry.faults.set(alpha, () => undefined);
    await refused('ERR_WALLA_TRANSFER', /the server did not answer for 0\.5 s \(4 attempts\)/);
    const bytes = registry.tarballs.get(alpha) ?? Buffer.alloc(0);
    registry.faults.set(alpha, (_, response) => {
      response.writeHead(200, { 'content-length': bytes.length });
      return breakAfter(response, bytes.subarray(0, 100));
    });
    await refused('ERR_WALLA_TRANSFER', /after 100 bytes \(4 attempts\)/);
  });

  test('nothing that mends itself: 503, then a body that breaks off, then the package', async () => {
    const bytes = registry.tarballs.get(alpha) ?? Buffer.alloc(0);
    let asked = 0;
    registry.faults.set(alpha, (_, response) => {
      asked += 1;
      if (asked === 1) return void response.writeHead(503).end();
      response.writeHead(200, { 'content-length': bytes.length });
      return asked === 2 ? breakAfter(response, bytes.subarray(0, 100)) : void response.end(bytes);
    });
    const { status, stderr } = await pack();
    assert.equal(status, 0, stderr);
    assert.equal(asked, 3);
  });

  const hostile: [string, TestPackage['members'], RegExp][] = [
    [
      'leaves its directory',
      [{ header: { name: 'package/../../evil.js' }, content: 'x' }],
      /leads out of it/,
    ],
    ['has an absolute path', [{ header: { name: '/evil.js' }, content: 'x' }], /leads out of it/],
    [
      'has a path with NUL or of 300 letters',
      [{ header: { name: `package/${'n'.repeat(300)}` }, content: 'x' }],
      /has the path/,
    ],
  ];
  for (const [what, members, message] of hostile) {
    test(`a tarball that ${what}`, async () => {
      const evil: TestPackage = { ...ALPHA, version: '6.6.6', ...(members && { members }) };
      await registry.add(evil);
      app.write(
        'package-lock.json',
        lock({ ...goodLock(), 'node_modules/alpha': registry.entry(evil) }),
      );
      await refused('ERR_WALLA_INTEGRITY', message);
      assert.ok(!existsSync(join(base, 'evil.js')) && !existsSync('/evil.js'));
    });
  }

  test('links in a tarball, by leaving them out as npm does', async () => {
    const target = join(base, 'outside');
    const evil: TestPackage = {
      ...ALPHA,
      version: '7.7.7',
      members: [
        { header: { name: 'package/link', type: 'symlink', linkname: base } },
        {
          header: { name: 'package/link/outside', mode: 0o644 },
          content: 'written through a link',
        },
        { header: { name: 'package/hard', type: 'link', linkname: '/etc/passwd' } },
      ],
    };
    await registry.add(evil);
    app.write(
      'package-lock.json',
      lock({ ...goodLock(), 'node_modules/alpha': registry.entry(evil) }),
    );
    const { status, stderr } = await pack({}, '--include', 'node_modules/alpha/**');
    assert.equal(status, 0, stderr);
    assert.ok(!existsSync(target));
    const { entries } = await listArchive(join(base, 'app.walla'));
    const found = entries
      .map(({ path }) => path)
      .filter((path) => path.startsWith('node_modules/alpha/'));
    assert.deepEqual(
      found.filter((path) => /link|hard/.test(path)),
      ['node_modules/alpha/link', 'node_modules/alpha/link/outside'],
    );
  });

  test('a tarball that is damaged though its digest is right', async () => {
    const cut = (registry.tarballs.get(alpha) ?? Buffer.alloc(0)).subarray(0, 200);
    registry.tarballs.set(tarballPath('alpha', '8.8.8'), cut);
    app.write(
      'package-lock.json',
      lock({ ...goodLock(), 'node_modules/alpha': registry.entry({ ...ALPHA, version: '8.8.8' }) }),
    );
    await refused('ERR_WALLA_INTEGRITY', /alpha@8\.8\.8 cannot be unpacked/);
  });

  test('a package that needs an install script, if the program uses it', async () => {
    const scripted = {
      'node_modules/scripted': registry.entry(SCRIPTED, { hasInstallScript: true }),
    };
    app.write('package-lock.json', lock({ ...goodLock(), ...scripted }));
    const unused = await pack();
    assert.equal(unused.status, 0, unused.stderr);
    app.write('packages/workspace/index.js', "module.exports = require('scripted');");
    await refused(
      'ERR_WALLA_INSTALL_SCRIPT',
      /scripted@3\.0\.0 \(node_modules\/scripted\) needs an install script/,
    );
    const accepted = await pack({}, '--ignore-scripts');
    assert.equal(accepted.status, 0, accepted.stderr);
    app.write(
      'packages/workspace/index.js',
      "module.exports = 'workspace with ' + require('@scope/beta');",
    );
  });

  test('lock files of other kinds, by saying what to type', async () => {
    for (const [text, message] of [
      ['{', /is not JSON/],
      ['{"lockfileVersion":1}', /lockfileVersion 1, where 2 or 3 is needed/],
      [lock({ '../../../../etc/x\\y': {} }), /an entry that is none/],
      [lock({ 'node_modules/a/../../..': {} }), /an entry that is none/],
      [
        lock({ 'node_modules/a': { version: '1.0.0', resolved: 'git+ssh://git@x/a.git#1' } }),
        /comes from git\+ssh/,
      ],
      [lock({ 'node_modules/a': { version: '1.0.0' } }), /no integrity for a@1\.0\.0/],
    ] as const) {
      app.write('package-lock.json', text);
      await refused('ERR_WALLA_LOCKFILE', message);
    }
    const only = registry.entry(NATIVE_THERE);
    app.write('package-lock.json', lock({ 'node_modules/native-darwin-arm64': only }));
    await refused(
      'ERR_WALLA_PLATFORM',
      /native-darwin-arm64@1\.0\.0 is for darwin arm64, this is linux x64/,
    );
  });

  test('a program of another project, and options that look at installed packages', async () => {
    const { stderr } = await walla(['pack', '/etc/hosts', '--lockfile', 'package-lock.json']);
    assert.match(stderr, /ERR_WALLA_USAGE: \/etc\/hosts is not below /);
    assert.match(
      (await pack({}, '--record')).stderr,
      /ERR_WALLA_USAGE: --record, --learn and --code-cache/,
    );
  });
});

/** The same lock file, installed by npm itself from the same registry. */
async function installByNpm(): Promise<void> {
  const cache = join(base, 'npm-cache');
  const child = spawn(
    'npm',
    ['ci', '--ignore-scripts', '--no-audit', '--no-fund', '--cache', cache],
    {
      cwd: app.root,
      env: { ...cleanEnvironment(), HOME: home, npm_config_registry: registry.server.url('/') },
      stdio: ['ignore', 'ignore', 'inherit'],
    },
  );
  const status = await new Promise((resolve) => child.on('close', resolve));
  assert.equal(status, 0);
  rmSync(cache, { recursive: true, force: true });
}

/** Digest of each file in an archive, but of lock files. */
async function contents(archive: string): Promise<[string, string][]> {
  const { handle, index } = await openArchive(archive);
  await handle.close();
  const bytes = readFileSync(archive);
  return [...index.entries()]
    .filter(({ path, type }) => type === 'file' && !path.endsWith('lock.json'))
    .map(({ path, offset, size }) => [
      path,
      integrityOf(bytes.subarray(offset, offset + size), 'sha256'),
    ]);
}
