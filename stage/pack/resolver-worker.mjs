/**
 * Asks Node.js itself how it resolves names. Runs in a worker of its own, so that the flags a
 * resolution depends on (--conditions, --preserve-symlinks) can differ from the packing process,
 * no loader hooks of that process are in the way, and its caches start out empty.
 *
 * Message in: {id, requests: [kind, parent, specifier][]}. Message out: {id, answers}, where an
 * answer is {file, suffix}, {builtin}, {absent} or null (nothing to record).
 */
import { statSync } from 'node:fs';
import Module from 'node:module';
import { dirname, isAbsolute } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import vm from 'node:vm';
import { parentPort, workerData } from 'node:worker_threads';

const { pnp, conditions } = workerData ?? {};
const require = Module.createRequire(import.meta.url);
if (pnp) require(pnp.runtime).setup();
/** Of Yarn: it takes the place of Node.js's own for imports. */
const pnpResolve = pnp?.loader && (await import(pathToFileURL(pnp.loader).href)).resolve;
const importConditions = [
  ...['node', 'import', 'node-addons', ...(process.features.require_module ? ['module-sync'] : [])],
  ...(conditions ?? []),
];

const types = new Map();
const parents = new Map();

parentPort.on('message', async ({ id, requests }) => {
  const answers = [];
  for (const [kind, parent, specifier] of requests) {
    answers.push(
      kind === 'import' ? await viaImport(parent, specifier) : viaRequire(parent, specifier),
    );
  }
  parentPort.postMessage({ id, answers });
});

async function viaImport(parent, specifier) {
  let url;
  try {
    url = new URL(await importUrl(specifier, pathToFileURL(parent).href));
  } catch (error) {
    return absent(error);
  }
  if (url.protocol === 'node:') return { builtin: url.href };
  if (url.protocol !== 'file:') return null;
  const file = fileURLToPath(url);
  // Written as %00. Node.js words the error at run time.
  if (file.includes('\0')) return null;
  const type = typeOf(file);
  if (type === 'file') return { file, suffix: url.search + url.hash };
  // Importing a FIFO would wait, and a device such as /dev/zero never ends: Node.js may, at run time.
  if (type === 'special') return null;
  // import.meta.resolve answers with a URL even where there is no file; an import would fail.
  return failedImport(parent, specifier);
}

async function importUrl(specifier, parentURL) {
  if (!pnpResolve) return import.meta.resolve(specifier, parentURL);
  const own = (name) => ({ url: import.meta.resolve(name, parentURL) });
  return (await pnpResolve(specifier, { parentURL, conditions: importConditions }, own)).url;
}

/** Nothing can run: the name was just found to lead to no file, so the import fails before loading. */
async function failedImport(parent, specifier) {
  const script = new vm.Script('(specifier) => import(specifier)', {
    filename: parent,
    importModuleDynamically: vm.constants.USE_MAIN_CONTEXT_DEFAULT_LOADER,
  });
  try {
    await script.runInThisContext()(specifier);
    return null;
  } catch (error) {
    return absent(error);
  }
}

function viaRequire(parent, specifier) {
  const directory = dirname(parent);
  let module = parents.get(directory);
  if (module === undefined) {
    module = new Module(parent);
    module.paths = Module._nodeModulePaths(directory);
    parents.set(directory, module);
  }
  module.filename = module.id = parent;
  try {
    const file = Module._resolveFilename(specifier, module, false);
    return isAbsolute(file) ? { file, suffix: '' } : null;
  } catch (error) {
    return absent(error);
  }
}

function typeOf(path) {
  let known = types.get(path);
  if (known === undefined) {
    const stat = statIfThere(path);
    if (stat?.isFile()) known = 'file';
    else known = stat === undefined || stat.isDirectory() ? 'none' : 'special';
    types.set(path, known);
  }
  return known;
}

/** For a path below a file Node.js 20 throws even where it is told not to. */
function statIfThere(path) {
  try {
    return statSync(path, { throwIfNoEntry: false });
  } catch (error) {
    if (error.code === 'ENOTDIR') return undefined;
    throw error;
  }
}

/** What errors of resolution have beside their message: where a package names a file that is not there, which package.json. */
const DETAILS = ['url', 'path', 'requestPath'];

function absent(error) {
  const { name, code, message } = error;
  const details = DETAILS.filter((key) => typeof error[key] === 'string');
  return {
    absent: { name, code, message, ...Object.fromEntries(details.map((key) => [key, error[key]])) },
  };
}
