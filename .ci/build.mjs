/**
 * Builds dist/ from the sources.
 *
 *     node .ci/build.mjs             bundles and, if native/build.mjs is there, the native core
 *     node .ci/build.mjs --types     type declarations in dist/types as well
 *     node .ci/build.mjs --no-native bundles only
 *
 * Files are written aside and renamed, and only if they changed: programs may be running from dist/.
 */
import { createHash } from 'node:crypto';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { must, root, say } from './shared.mjs';
import { buildTypes } from './types.mjs';

const { values: options } = parseArgs({
  options: {
    types: { type: 'boolean', default: false },
    native: { type: 'boolean', default: true },
  },
  allowNegative: true,
});

let esbuild;
try {
  esbuild = await import('esbuild');
} catch (error) {
  if (error.code !== 'ERR_MODULE_NOT_FOUND') throw error;
  say('build: esbuild is not installed. Type: npm run setup');
  process.exit(1);
}

const dist = path.join(root, 'dist');
const common = {
  absWorkingDir: root,
  bundle: true,
  platform: 'node',
  target: 'node20',
  write: false,
  outdir: 'dist',
  logLevel: 'warning',
  legalComments: 'none',
};

// What every rank reads is one file each: no chunks, no npm package outside it.
const preload = {
  ...common,
  format: 'cjs',
  outExtension: { '.js': '.cjs' },
  banner: {
    js: "'use strict';\nconst __walla_url = require('node:url').pathToFileURL(__filename).href;",
  },
  define: { 'import.meta.url': '__walla_url' },
  minifySyntax: true,
};
/**
 * The second step for what every rank reads: one request to a file system brings 128 KiB. Lines and the names of
 * functions stay: above an uncaught error Node.js prints the line that threw. esbuild leaves those names alone that
 * stand at the top of a script, which here are all but the local ones.
 */
const squeeze = {
  platform: 'node',
  target: common.target,
  legalComments: 'none',
  minifySyntax: true,
  minifyWhitespace: true,
  minifyIdentifiers: true,
  lineLimit: 120,
};
// Node.js asks for no package.json to know what a .mjs is.
const hooksThread = { ...common, format: 'esm', outExtension: { '.js': '.mjs' } };
// The rest is for one process per job: shared chunks, npm packages as installed.
const library = {
  ...common,
  format: 'esm',
  packages: 'external',
  splitting: true,
  chunkNames: 'chunk-[hash]',
};

// Stands in the page of a report, with the licence of the one package in it.
const page = {
  ...common,
  platform: 'browser',
  target: 'es2022',
  format: 'iife',
  minify: true,
  banner: {
    js: `/*!\nd3-hierarchy\n${readFileSync(path.join(root, 'node_modules/d3-hierarchy/LICENSE'), 'utf8')}*/`,
  },
};

const groups = [
  {
    settings: preload,
    entries: {
      stage: 'stage/preload.ts',
      report: 'stage/report/keep.ts',
      prestage: 'stage/run/prestage-main.ts',
      probe: 'stage/run/probe.ts',
    },
  },
  { settings: hooksThread, entries: { 'hooks-thread': 'loader/hooks-thread.ts' } },
  { settings: page, entries: { 'report-page': 'stage/report-page/browser/page.ts' } },
  { settings: page, entries: { 'report-page': 'stage/report-page/browser/page.css' } },
  {
    settings: library,
    entries: {
      cli: 'stage/cli.ts',
      fetch: 'stage/transport/fetch/fetch.ts',
      index: 'stage/index.ts',
      mpi: 'native/mpi.ts',
      collfs: 'native/collfs.ts',
      loader: 'loader/index.ts',
    },
  },
];
// Files that are started by path, as they are.
const copies = [
  'stage/pack/code-cache-of-modules.cjs',
  'stage/pack/code-cache-of-run.cjs',
  'stage/pack/recorder.cjs',
  'stage/pack/resolver-worker.mjs',
];

function present(source) {
  if (existsSync(path.join(root, source))) return true;
  say(`build: ${source} is not there, left out`);
  return false;
}

function write(name, contents) {
  const file = path.join(dist, name);
  if (existsSync(file) && contents.equals(readFileSync(file))) return;
  const aside = `${file}.${process.pid}`;
  writeFileSync(aside, contents);
  if (name === 'cli.js') chmodSync(aside, 0o755);
  renameSync(aside, file);
}

/**
 * One variable for each built-in module, where esbuild has one for each file that imports it; for a default import it also
 * copies all exports, a millisecond at each start. The default of a built-in module is the module itself.
 */
function withSharedBuiltins(text) {
  const seen = new Set();
  return text
    .replace(/\bimport_(node_\w+?)\d*(?:\.default)?\b/g, '$$$1')
    .replace(/\(0, (\$node_\w+\.\w+)\)\(/g, '$1(')
    .replace(
      /(\$node_\w+) = (?:__toESM\((require\("[\w:/]+"\)), 1\)|(require\("[\w:/]+"\)))/g,
      (_, name, copied, required) => {
        if (seen.has(name)) return name;
        seen.add(name);
        return `${name} = ${copied ?? required}`;
      },
    );
}

async function readByAll(text) {
  const { code } = await esbuild.transform(withSharedBuiltins(text), squeeze);
  return code;
}

/**
 * A script that carries another as text, line for line: so that the lines which V8 names are those of the file. The
 * other one is a file too, for the packer, which has V8 compile it.
 */
async function carrying(file, carrier) {
  const text = `(function (exports, require, module, __filename, __dirname) {${file.contents}})\n`;
  const name = createHash('sha256').update(text).digest('hex').slice(0, 16);
  const { outputFiles } = await esbuild.build({
    ...preload,
    banner: {},
    entryPoints: { [path.basename(file.name, '.cjs')]: carrier },
    define: { PRELOAD_NAME: JSON.stringify(name) },
  });
  const around = await readByAll(outputFiles[0].text);
  const [before, after] = around.split('PRELOAD_TEXT');
  const line = before.split('\n').length;
  const literal = `'\\\n${text.replace(/[\\']/g, '\\$&').replaceAll('\n', '\\n\\\n')}'`;
  return [
    { name: 'preload-text.js', contents: Buffer.from(text) },
    {
      ...file,
      contents: Buffer.from([before, after.replace('PRELOAD_LINE', String(line))].join(literal)),
    },
  ];
}

async function bundle({ settings, entries }) {
  const entryPoints = Object.fromEntries(
    Object.entries(entries).filter(([, source]) => present(source)),
  );
  if (Object.keys(entryPoints).length === 0) return [];
  const { outputFiles } = await esbuild.build({ ...settings, entryPoints });
  return Promise.all(
    outputFiles.map(async (file) => ({
      name: path.relative(dist, file.path),
      contents: Buffer.from(settings === preload ? await readByAll(file.text) : file.contents),
    })),
  );
}

mkdirSync(dist, { recursive: true });
let files;
try {
  files = (await Promise.all(groups.map(bundle))).flat();
  const stage = files.findIndex(({ name }) => name === 'stage.cjs');
  files.splice(stage, 1, ...(await carrying(files[stage], 'stage/start.ts')));
} catch (error) {
  // esbuild has said where already.
  if (!Array.isArray(error.errors)) throw error;
  process.exit(1);
}
for (const source of copies.filter(present)) {
  files.push({ name: path.basename(source), contents: readFileSync(path.join(root, source)) });
}
const SHEBANG = '#!/usr/bin/env node\n';
// Chunks first: an entry must never name one that is not there yet.
files.sort((a, b) => Number(b.name.startsWith('chunk-')) - Number(a.name.startsWith('chunk-')));
for (const { name, contents } of files) {
  const needsShebang = name === 'cli.js' && !contents.subarray(0, 2).equals(Buffer.from('#!'));
  write(name, needsShebang ? Buffer.concat([Buffer.from(SHEBANG), contents]) : contents);
}
const names = new Set(files.map(({ name }) => name));
for (const name of readdirSync(dist)) {
  if (/^chunk-\w+\.js$/.test(name) && !names.has(name)) rmSync(path.join(dist, name));
}

if (options.types) buildTypes();

if (options.native && present('native/build.mjs')) {
  must(process.execPath, ['native/build.mjs', '--quiet']);
}
