/** Trees as npm, pnpm and Yarn lay them out: packed and staged, a program runs as it does plainly. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdirSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { type TestPackage, TestRegistry } from '../lockfile/registry.ts';
import { nodeVersions } from '../node-versions/index.ts';
import {
  Application,
  cleanEnvironment,
  packProgram,
  packageRoot,
  runNode,
  runStaged,
} from '../run-node.ts';

const PACKAGES: TestPackage[] = [
  {
    name: 'alpha',
    version: '1.0.0',
    fields: { main: 'main.js', dependencies: { '@scope/beta': '1.0.0' } },
    files: { 'main.js': "module.exports = `alpha with ${require('@scope/beta').name}`;" },
  },
  {
    name: '@scope/beta',
    version: '1.0.0',
    fields: { exports: { import: './index.mjs', require: './index.cjs' } },
    files: {
      'index.mjs': "export const name = 'new beta ' + import.meta.url.split('/').pop();",
      'index.cjs': "exports.name = 'old beta ' + require('node:path').basename(__filename);",
    },
  },
  {
    name: '@scope/beta',
    version: '2.0.0',
    files: { 'index.js': "exports.name = 'beta 2'; exports.peer = require('peer');" },
    fields: { peerDependencies: { peer: '1.0.0' } },
  },
  { name: 'peer', version: '1.0.0', files: { 'index.js': "module.exports = 'peer';" } },
];

/** Two packages of a workspace that use each other, and different versions of a third. */
const FILES = {
  'package.json': JSON.stringify({
    name: 'root',
    version: '1.0.0',
    private: true,
    workspaces: ['packages/*'],
  }),
  'pnpm-workspace.yaml': 'packages:\n  - packages/*\n',
  'packages/app/package.json': JSON.stringify({
    name: 'app',
    version: '1.0.0',
    type: 'module',
    dependencies: { alpha: '1.0.0', '@scope/beta': '2.0.0', peer: '1.0.0', library: 'workspace:*' },
  }),
  'packages/app/app.js': `
import { createRequire } from 'node:module';
import { realpathSync } from 'node:fs';
import alpha from 'alpha';
import beta from '@scope/beta';
import { text, betaUrl } from 'library';
const require = createRequire(import.meta.url);
let absent; try { require('not-there'); } catch (error) { absent = error.code; }
console.log(JSON.stringify([alpha, beta, text, betaUrl, absent, require.resolve('alpha'),
  import.meta.resolve('library'), realpathSync(require.resolve('peer'))]));
`,
  'packages/library/package.json': JSON.stringify({
    name: 'library',
    version: '1.0.0',
    type: 'module',
    exports: './index.js',
    dependencies: { '@scope/beta': '1.0.0' },
  }),
  'packages/library/index.js': `import { name } from '@scope/beta';
export const text = 'library with ' + name;
export const betaUrl = import.meta.resolve('@scope/beta');`,
};

function yarnrc(linker: string, enableGlobalCache: boolean): string {
  return `nodeLinker: ${linker}
enableGlobalCache: ${enableGlobalCache}
enableTelemetry: false
enableImmutableInstalls: false
unsafeHttpWhitelist: ['127.0.0.1']
`;
}

const bin = (path: string): string => join(packageRoot, 'node_modules', path);
const MANAGERS: {
  name: string;
  protocol: string;
  argv: string[];
  files?: Record<string, string>;
}[] = [
  { name: 'npm workspaces', protocol: '*', argv: ['npm', 'install', '--no-audit', '--no-fund'] },
  {
    name: 'pnpm',
    protocol: 'workspace:*',
    argv: [process.execPath, bin('pnpm/bin/pnpm.cjs'), 'install'],
  },
  {
    name: 'pnpm with hoisted packages',
    protocol: 'workspace:*',
    argv: [process.execPath, bin('pnpm/bin/pnpm.cjs'), 'install', '--config.node-linker=hoisted'],
  },
  {
    name: 'Yarn 1',
    protocol: '1.0.0',
    argv: [
      process.execPath,
      bin('yarn/bin/yarn.js'),
      'install',
      '--non-interactive',
      '--no-progress',
    ],
  },
  ...['node-modules', 'pnpm'].map((linker) => ({
    name: `Yarn 4 with nodeLinker: ${linker}`,
    protocol: 'workspace:*',
    argv: [process.execPath, bin('@yarnpkg/cli-dist/bin/yarn.js'), 'install'],
    files: {
      '.yarnrc.yml': yarnrc(linker, false),
      'yarn.lock': '',
    },
  })),
];

const oldestAndNewest = new Set(
  [nodeVersions[0], nodeVersions.at(-1)].filter((node) => node !== undefined),
);
const registry = new TestRegistry();

before(async () => {
  await registry.server.listen();
  for (const one of PACKAGES) await registry.add(one);
  for (const name of new Set(PACKAGES.map((one) => one.name)))
    registry.describe(
      name,
      PACKAGES.filter((one) => one.name === name),
    );
});
after(() => registry.server.close());

for (const { name, protocol, argv, files = {} } of MANAGERS) {
  describe(`a tree of ${name}`, () => {
    let app: Application;
    let base: string;
    before(async () => {
      app = new Application({ ...FILES, ...files });
      const manifest = FILES['packages/app/package.json'].replace('workspace:*', protocol);
      app.write('packages/app/package.json', manifest);
      base = app.path('../walla-managers-' + String(process.pid));
      mkdirSync(base, { recursive: true });
      await install(app.root, argv, base);
    });
    after(() => {
      app.remove();
      rmSync(base, { recursive: true, force: true });
    });

    for (const { major, path: node } of oldestAndNewest) {
      test(`runs staged on Node.js ${major} as it does plainly`, () => {
        const entry = app.path('packages/app/app.js');
        const archive = join(base, `${major}.walla`);
        const plain = runNode([entry], { node });
        assert.equal(plain.status, 0, plain.stderr);
        packProgram(entry, archive, { node });
        const env = { WALLA_ARCHIVE: archive, WALLA_DIR: base };
        const staged = runStaged([entry], { node, env });
        assert.equal(staged.stdout, plain.stdout, staged.stderr);
        assert.equal(staged.stderr, plain.stderr);
        assert.equal(staged.status, 0);
      });
    }
  });
}

for (const enableGlobalCache of [false, true]) {
  describe(`a Plug'n'Play tree of Yarn 4, enableGlobalCache: ${enableGlobalCache}`, () => {
    const yarn = bin('@yarnpkg/cli-dist/bin/yarn.js');
    let app: Application;
    let base: string;
    before(async () => {
      app = new Application({
        ...FILES,
        'yarn.lock': '',
        '.yarnrc.yml': yarnrc('pnp', enableGlobalCache),
      });
      base = app.path('../walla-pnp-' + String(process.pid));
      mkdirSync(base, { recursive: true });
      await install(app.root, [process.execPath, yarn, 'install'], base);
    });
    after(() => {
      app.remove();
      rmSync(base, { recursive: true, force: true });
    });

    for (const { major, path: node } of oldestAndNewest) {
      test(`runs staged on Node.js ${major} as \`yarn node\` runs it`, () => {
        const entry = app.path('packages/app/app.js');
        const archive = join(base, `${major}.walla`);
        const env = { HOME: base, TMPDIR: base };
        const plain = runNode([yarn, '--cwd', app.root, 'node', entry], { node, env });
        assert.equal(plain.status, 0, plain.stderr);
        packProgram(entry, archive, { node, env });
        const staged = runStaged([entry], {
          node,
          env: { WALLA_ARCHIVE: archive, WALLA_DIR: base },
        });
        assert.equal(staged.stdout, plain.stdout, staged.stderr);
        assert.equal(staged.stderr, '');
        assert.equal(staged.status, 0);
        assert.deepEqual(
          readdirSync(base).filter((name) => name.startsWith('walla-mirror')),
          [],
        );
      });
    }
  });
}

/** Not by spawnSync: the registry runs in this process. */
async function install(directory: string, argv: string[], home: string): Promise<void> {
  const [command = '', ...args] = argv;
  const clean = Object.entries(cleanEnvironment()).filter(
    ([name]) => !/^npm_|proxy|^yarn_/i.test(name),
  );
  const url = registry.server.url('/');
  const child = spawn(command, args, {
    cwd: directory,
    env: {
      ...Object.fromEntries(clean),
      HOME: home,
      XDG_DATA_HOME: join(home, 'data'),
      XDG_CACHE_HOME: join(home, 'cache'),
      npm_config_registry: url,
      YARN_NPM_REGISTRY_SERVER: url.replace(/\/$/, ''),
      YARN_REGISTRY: url,
      npm_config_userconfig: join(home, 'npmrc'),
      CI: '',
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let out = '';
  child.stdout.on('data', (text: Buffer) => (out += text.toString()));
  child.stderr.on('data', (text: Buffer) => (out += text.toString()));
  const status = await new Promise((resolve) => child.on('close', resolve));
  assert.equal(status, 0, `${argv.join(' ')}: ${out}`);
}
