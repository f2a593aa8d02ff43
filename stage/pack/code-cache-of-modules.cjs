'use strict';
/**
 * Compiles modules that are named on stdin, without running any, and leaves their code caches in a directory: as
 * `{directory, modules: [{path, source, format}], script: {source, file}}`, where `path` is the module's own, `source` the file to read, and
 * `format` `module` or `commonjs`; the code cache of the script, if there is one, has all of its functions and goes to `file`. Arguments: a directory to remove if the process that started this one has ended, and its number.
 *
 * The same modules give the same caches, byte for byte. V8 writes into a cache the hashes of names, which start from a
 * number that it draws for each process, and the bytes between fields, which hold what was there before memory was
 * collected. So this process is started with a fixed number and with so much memory that nothing is collected. A
 * cache is for the flags of the moment when it is made, so these are what they usually are before anything is compiled.
 */
const { readFileSync, rmSync, writeFileSync } = require('node:fs');
const Module = require('node:module');
const { pathToFileURL } = require('node:url');
const v8 = require('node:v8');
const { Script, SourceTextModule } = require('node:vm');

/** All are 0 unless they are set: node --v8-options. */
const FLAGS = [
  '--hash-seed',
  '--random-seed',
  '--initial-heap-size',
  '--min-semi-space-size',
  '--max-semi-space-size',
];
for (const flag of FLAGS) v8.setFlagsFromString(`${flag}=0`);

const [scratch, parent] = process.argv.slice(2);
process.on('exit', removeIfAlone);
const { directory, modules, script } = JSON.parse(readFileSync(0, 'utf8'));
if (script) writeFileSync(script.file, compileWhole(readFileSync(script.source, 'utf8')));
const CARRIER = 'walla:modules';
/** Exit code: some module is no JavaScript, so that Node.js gives up on the others. */
const BROKEN = 3;
const isChecking = process.execArgv.includes('--experimental-vm-modules');

const commonjs = modules.filter(({ format }) => format === 'commonjs').map(withContent);
const esm = modules.filter(({ format }) => format === 'module').map(withContent);
const sources = new Map(
  esm
    .map(({ path, content }) => [pathToFileURL(path).href, content])
    .filter(([url, content]) => !isChecking || isModule(url, content)),
);
Module.registerHooks({ resolve, load });
import(CARRIER).catch((error) => {
  if (!error.message.includes('does not provide an export')) process.reallyExit(BROKEN);
  Module.enableCompileCache(directory); // without any ES module, resolve has not
  for (const { path, content } of commonjs) compileCommonJS(path, content);
  Module.flushCompileCache();
  removeIfAlone();
  process.reallyExit(0);
});

/** Whoever was killed cannot do it. */
function removeIfAlone() {
  if (process.ppid !== Number(parent)) rmSync(scratch, { recursive: true, force: true });
}

function compileWhole(text) {
  v8.setFlagsFromString('--no-lazy');
  const compiled = new Script(text);
  v8.setFlagsFromString('--lazy');
  return compiled.createCachedData();
}

function withContent({ path, source }) {
  return { path, content: readFileSync(source, 'utf8') };
}

/** Compiles it without the cache. One that imports the source of another cannot have node:path for it. */
function isModule(identifier, content) {
  try {
    const { moduleRequests = [] } = new SourceTextModule(content, { identifier });
    return moduleRequests.every(({ phase }) => phase !== 'source');
  } catch {
    return false;
  }
}

/**
 * One module imports them all, and a name that does not exist: all are compiled, and none is evaluated. What they import
 * themselves is always node:path.
 */
function resolve(specifier, { parentURL }) {
  const answer = { importAttributes: {}, shortCircuit: true };
  if (specifier === CARRIER) return { ...answer, url: CARRIER, format: 'module' };
  // The first time the carrier has been compiled: it needs no cache.
  Module.enableCompileCache(directory);
  return parentURL === CARRIER && sources.has(specifier)
    ? { ...answer, url: specifier, format: 'module' }
    : { ...answer, url: 'node:path', format: 'builtin' };
}

function load(url, context, next) {
  if (url !== CARRIER && !sources.has(url)) return next(url, context);
  return { format: 'module', source: sources.get(url) ?? carrier(), shortCircuit: true };
}

function carrier() {
  const imports = [...sources.keys()].map((url) => `import ${JSON.stringify(url)};\n`);
  return `${imports.join('')}import { walla } from 'node:path';\n`;
}

/** Between compiling and calling a module Node.js takes its `exports`. */
function compileCommonJS(path, content) {
  const module = new Module(path);
  Object.defineProperty(module, 'exports', {
    get() {
      throw new Error('compiled');
    },
  });
  try {
    module._compile(content, path, 'commonjs');
  } catch {
    // compiled, or what the program will be told too
  }
}
