/** An application whose packages read files in every way, for shadows. */
import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

import { Application, packageRoot } from '../run-node.ts';

/** Reads relative names: each rank stands in a directory of its own, so it shows who was asked. */
const READER = `
const fs = require('fs');
const { promisify } = require('util');
const text = async (stream) => { let all = ''; for await (const part of stream) all += part; return all; };
const called = (call) => new Promise((resolve, reject) => call((error, value) => (error ? reject(error) : resolve(value))));
const read = (fd) => { try { return fs.readFileSync(fd, 'utf8'); } finally { fs.closeSync(fd); } };
exports.contents = {
  readFileSync: (name) => fs.readFileSync(name, 'utf8'),
  readFile: (name) => called((done) => fs.readFile(name, 'utf8', done)),
  'promises.readFile': (name) => fs.promises.readFile(name, 'utf8'),
  promisified: (name) => promisify(fs.readFile)(name, 'utf8'),
  openSync: (name) => read(fs.openSync(name)),
  open: async (name) => read(await called((done) => fs.open(name, done))),
  'promises.open': async (name) => { const handle = await fs.promises.open(name); try { return await handle.readFile('utf8'); } finally { await handle.close(); } },
  createReadStream: (name) => text(fs.createReadStream(name, 'utf8')),
  Buffer: (name) => fs.readFileSync(Buffer.from(name)).toString(),
};
exports.answers = {
  statSync: (name) => fs.statSync(name).ino,
  stat: async (name) => (await called((done) => fs.stat(name, done))).ino,
  'promises.stat': async (name) => (await fs.promises.stat(name)).ino,
  lstatSync: (name) => fs.lstatSync(name).ino,
  fstatSync: (name) => { const fd = fs.openSync(name); try { return fs.fstatSync(fd).ino; } finally { fs.closeSync(fd); } },
};
exports.names = {
  readdirSync: (name) => fs.readdirSync(name).join(),
  readdir: async (name) => (await called((done) => fs.readdir(name, done))).join(),
  'promises.readdir': async (name) => (await fs.promises.readdir(name)).join(),
  opendirSync: (name) => { const directory = fs.opendirSync(name); const names = []; for (let e; (e = directory.readSync()); ) names.push(e.name); directory.closeSync(); return names.sort().join(); },
  recursive: (name) => fs.readdirSync(name, { recursive: true }).join(),
};
exports.realpaths = {
  realpathSync: (name) => fs.realpathSync(name),
  native: (name) => fs.realpathSync.native(name),
  'promises.realpath': (name) => fs.promises.realpath(name),
};
exports.exists = {
  existsSync: (name) => fs.existsSync(name),
  exists: (name) => new Promise((resolve) => fs.exists(name, resolve)),
  accessSync: (name) => { try { fs.accessSync(name); return true; } catch (error) { return error.code !== 'ENOENT'; } },
  access: (name) => new Promise((resolve) => fs.access(name, (error) => resolve(!error))),
};
exports.write = (name, content) => { fs.writeFileSync(name, content); fs.appendFileSync(name, '!'); };
exports.read = (path) => fs.readFileSync(path, 'utf8');
`;

const manifest = (name: string, more: object = {}): string =>
  JSON.stringify({ name, version: '1.0.0', ...more });

const FILES = {
  'main.cjs': '',
  'data/text': 'text of the application',
  'data/module.cjs': "module.exports = require('./number.json') + 1;",
  'data/number.json': '41',
  'node_modules/reader/package.json': manifest('reader'),
  'node_modules/reader/index.js': READER,
  'node_modules/other/package.json': manifest('other'),
  'node_modules/other/index.js': READER,
  'node_modules/@scope/tools/package.json': manifest('@scope/tools', { main: 'lib/main.js' }),
  'node_modules/@scope/tools/lib/main.js':
    "exports.helper = require('./helper'); exports.inner = require('inner'); exports.settings = require('../settings'); try { require('not-there'); } catch (error) { exports.error = error; }",
  'node_modules/@scope/tools/lib/helper.js': "module.exports = 'helper in ' + __filename;",
  'node_modules/@scope/tools/settings.json': '{"depth": 3}',
  'node_modules/@scope/tools/node_modules/inner/package.json': manifest('inner'),
  'node_modules/@scope/tools/node_modules/inner/index.js': "module.exports = 'inner';",
  'node_modules/addon/package.json': manifest('addon', { main: 'build/addon.node' }),
};

const compiler = process.env['CC'] ?? 'cc';
export const noCompiler =
  spawnSync(compiler, ['--version']).status === 0 ? false : `there is no ${compiler}`;

function compile(args: readonly string[]): void {
  const { status, stderr } = spawnSync(compiler, args, { encoding: 'utf8' });
  if (status !== 0) throw new Error(stderr);
}

/** The application, with an addon that needs a library beside it, where there is a compiler. */
export function makeApplication(): Application {
  const app = new Application(FILES);
  if (noCompiler) return app;
  const built = mkdtempSync(join(tmpdir(), 'walla-addon-'));
  const source = join(packageRoot, 'test/native-addons');
  const include = join(packageRoot, 'node_modules/node-api-headers/include');
  const flags = ['-shared', '-fPIC', '-O1'];
  const library = join(built, 'libanswer.so');
  compile([...flags, '-Wl,-soname,libanswer.so', '-o', library, join(source, 'answer.c')]);
  const linked = ['-L', built, '-lanswer', '-Wl,-rpath,$ORIGIN/libs'];
  const addon = app.path('node_modules/addon/build/addon.node');
  mkdirSync(join(dirname(addon), 'libs'), { recursive: true });
  compile([...flags, '-I', include, '-o', addon, join(source, 'addon.c'), ...linked]);
  cpSync(library, join(dirname(addon), 'libs/libanswer.so'));
  rmSync(built, { recursive: true });
  return app;
}
