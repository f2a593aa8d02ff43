/**
 * Native addons in the layouts that packages use, each loaded plain and staged: the same results, and
 * no look below the program's directory.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { nodeVersions } from '../node-versions/index.ts';
import { Application, cleanEnvironment, cli, packageRoot, preload, runNode } from '../run-node.ts';

const here = fileURLToPath(new URL('.', import.meta.url));
const compiler = process.env['CC'] ?? 'cc';
const hasCompiler = spawnSync(compiler, ['--version']).status === 0;
const hasStrace = spawnSync('strace', ['-V']).status === 0;

/** Where each package keeps the addon, and how it loads it. */
const LAYOUTS: Record<string, { addon: string; index: string }> = {
  'by-path': {
    addon: 'build/Release/addon.node',
    index: "module.exports = require('./build/Release/addon.node');",
  },
  'by-name': {
    addon: 'build/Release/addon.node',
    index: "module.exports = require('./build/Release/addon');",
  },
  // prebuild-install unpacks to build/Release too, where `bindings` looks.
  'with-bindings': {
    addon: 'build/Release/addon.node',
    index: "module.exports = require('bindings')('addon.node');",
  },
  'with-lib-binding': {
    addon: 'lib/binding/napi-v3/addon.node',
    index: `const path = require('path');
      module.exports = require(path.join(__dirname, 'lib', 'binding', \`napi-v\${3}\`, 'addon.node'));`,
  },
  'with-prebuilds': {
    addon: 'prebuilds/linux-x64/node.napi.node',
    index: "module.exports = require('node-gyp-build')(__dirname);",
  },
  'with-platform-file': {
    addon: 'addon.linux-x64-gnu.node',
    index: `const { existsSync } = require('fs');
      const name = \`addon.\${process.platform}-\${process.arch}-gnu.node\`;
      module.exports = existsSync(__dirname + '/' + name) ? require('./' + name) : null;`,
  },
  'platform-addon': { addon: 'addon.node', index: "module.exports = require('./addon.node');" },
  'with-platform-package': {
    addon: 'unused/addon.node',
    index:
      "let found; try { found = require('addon-not-here'); } catch { found = require('platform-addon'); } module.exports = found;",
  },
};

const MAIN = `
const os = require('node:os');
const { isMainThread, Worker } = require('node:worker_threads');
function show(label, addon) { console.log(isMainThread, label, addon.count(), addon.count(), JSON.stringify(addon.beside())); }
${Object.keys(LAYOUTS)
  .map((name) => `show('${name}', require('${name}'));`)
  .join('\n')}
const path = require.resolve('by-path/build/Release/addon.node');
console.log(path.slice(__dirname.length), Object.keys(require.cache).filter((key) => key.endsWith('.node')).map((key) => key.slice(__dirname.length)).sort());
delete require.cache[path]; show('again', require(path));
const plain = { exports: {} }; process.dlopen(plain, path); show('dlopen', plain.exports);
const flagged = { exports: {} }; process.dlopen(flagged, path, os.constants.dlopen.RTLD_NOW | os.constants.dlopen.RTLD_LOCAL); show('dlopen with flags', flagged.exports);
const handled = new module.constructor(path); handled.filename = path; require.extensions['.node'](handled, path); show('handler', handled.exports);
for (const bad of [__dirname + '/node_modules/by-path/absent.node', __dirname + '/node_modules/by-path/index.js']) try { process.dlopen({ exports: {} }, bad); } catch (error) { console.log(error.code, error.message.replaceAll(__dirname, '')); }
console.log(process.env.LD_LIBRARY_PATH);
if (isMainThread) new Worker(__filename).on('exit', (code) => { console.log('worker', code); });
`;

let app: Application;
let built: string;

before(() => {
  if (!hasCompiler) return;
  built = mkdtempSync(join(tmpdir(), 'walla-addon-'));
  const include = join(packageRoot, 'node_modules/node-api-headers/include');
  const flags = ['-shared', '-fPIC', '-O1'];
  compile([...flags, '-o', join(built, 'libanswer.so'), join(here, 'answer.c')]);
  const origin = ['-L', built, '-lanswer', '-Wl,-rpath,$ORIGIN/libs'];
  const source = join(here, 'addon.c');
  compile([...flags, '-I', include, '-o', join(built, 'addon.node'), source, ...origin]);
  app = new Application({ 'main.cjs': MAIN });
  for (const [name, { addon, index }] of Object.entries(LAYOUTS)) {
    const at = (path: string): string => app.path(`node_modules/${name}/${path}`);
    const directory = dirname(at(addon));
    mkdirSync(join(directory, 'libs'), { recursive: true });
    cpSync(join(built, 'addon.node'), at(addon));
    cpSync(join(built, 'libanswer.so'), join(directory, 'libs/libanswer.so'));
    writeFileSync(join(directory, 'data.txt'), `data of ${name}`);
    writeFileSync(at('index.js'), index);
    writeFileSync(at('package.json'), JSON.stringify({ name, version: '1.0.0' }));
  }
  for (const name of ['bindings', 'file-uri-to-path', 'node-gyp-build'])
    cpSync(join(packageRoot, 'node_modules', name), app.path(`node_modules/${name}`), {
      recursive: true,
    });
});

after(() => {
  if (!hasCompiler) return;
  app.remove();
  rmSync(built, { recursive: true });
});

function compile(args: readonly string[]): void {
  const { status, stderr } = spawnSync(compiler, args, { encoding: 'utf8' });
  assert.equal(status, 0, stderr);
}

for (const node of nodeVersions)
  test(
    `addons of every layout load staged as plain on Node.js ${node.major}`,
    { skip: hasCompiler ? false : `there is no ${compiler}` },
    () => {
      const archive = app.path(`.walla/${node.major}.walla`);
      const include = `--include=${app.root}/node_modules/**`;
      const words = [cli, 'pack', '--quiet', '-o', archive, include, app.path('main.cjs')];
      const packed = runNode(words, { node: node.path });
      assert.equal(packed.status, 0, packed.stderr);

      const env = { ...cleanEnvironment(), LD_LIBRARY_PATH: '/nowhere' };
      // The check of the source tree is not what is counted.
      const staging = { ...env, WALLA_ARCHIVE: archive, WALLA_STALE: 'use' };
      const main = app.path('main.cjs');
      const plain = spawnSync(node.path, [main], { env, encoding: 'utf8' });
      assert.equal(plain.status, 0, plain.stderr);
      assert.match(plain.stdout, /^true by-path 42 43 "data of by-path"$/m);
      const trace = join(built, 'trace');
      const staged = hasStrace
        ? spawnSync(
            'strace',
            ['-f', '-qq', '-e', 'trace=openat', '-o', trace, node.path, '-r', preload, main],
            { env: staging, encoding: 'utf8', cwd: '/' },
          )
        : spawnSync(node.path, ['-r', preload, main], { env: staging, encoding: 'utf8' });
      assert.equal(staged.stderr, '');
      assert.equal(staged.stdout, plain.stdout);
      if (!hasStrace) return;
      const opened = [...readFileSync(trace, 'utf8').matchAll(/openat\([^"\n]*"([^"\n]*)"/g)]
        .map(([, path = '']) => path)
        .filter((path) => path.startsWith(`${app.root}/node_modules`));
      // Only what is not there, and is not ours to answer: an addon that the linker is asked for.
      assert.deepEqual([...new Set(opened)], [app.path('node_modules/by-path/absent.node')]);
    },
  );
