/**
 * How far could hooks go? An experiment, and no way to run a program: it takes the place of Node.js's ES module loader by
 * Node.js's own internals (--expose-internals; Node.js 22, 24 and 26), so that an import costs what V8 takes for it and
 * nothing else.
 *
 * Preloaded after walla/stage. Each ES module is compiled by Node.js's ModuleWrap from the source that walla's load hook
 * gives, and linked by the graph that record.cjs wrote. CommonJS, JSON and built-in modules go the usual way, and so does
 * what import() loads. The time to read the graph is told to bench/loader.ts, which takes it off.
 */
'use strict';
const start = performance.now();
const { readFileSync } = require('node:fs');
const graph = JSON.parse(readFileSync(process.env.FLOOR_GRAPH, 'utf8'));
process.floorGraphMs = performance.now() - start;

const { getOrInitializeCascadedLoader } = require('internal/modules/esm/loader');
const { compileSourceTextModule, SourceTextModuleTypes } = require('internal/modules/esm/utils');
const { loadHooks } = require('internal/modules/customization_hooks');

const EVALUATION_PHASE = 2;
const loader = getOrInitializeCascadedLoader();
const usualImport = loader.import;
const [hooks] = loadHooks;
/** ModuleWrap by URL. */
const modules = new Map();

loader.import = async function (specifier, ...rest) {
  const url = String(specifier);
  if (graph[url]?.format !== 'module' || modules.has(url)) {
    return usualImport.call(this, specifier, ...rest);
  }
  await loadOthers();
  const entry = moduleOf(url);
  entry.instantiate();
  await entry.evaluate(-1, false);
  return entry.getNamespace();
};

/** What ES modules import and is none. */
async function loadOthers() {
  for (const { format, imports } of Object.values(graph)) {
    if (format !== 'module') continue;
    for (const url of imports) {
      if (graph[url]?.format !== 'module' && !modules.has(url)) {
        modules.set(url, await usualModule(url, graph[url]?.format));
      }
    }
  }
}

async function usualModule(url, format) {
  const attributes = format === 'json' ? { __proto__: null, type: 'json' } : { __proto__: null };
  const job =
    loader.getOrCreateModuleJob === undefined
      ? await loader.getModuleJobForImport(url, undefined, attributes) // Node.js 22
      : await loader.getOrCreateModuleJob(undefined, {
          __proto__: null,
          specifier: url,
          phase: EVALUATION_PHASE,
          attributes,
        });
  return job.modulePromise;
}

function moduleOf(url) {
  const known = modules.get(url);
  if (known !== undefined) return known;
  const { format, imports } = graph[url];
  const { source } = hooks.load(url, { format, importAttributes: {}, conditions: [] }, notStaged);
  // Node.js 26 asks whose module it is, 22 and 24 which loader has it.
  const module = compileSourceTextModule(url, source, SourceTextModuleTypes?.kUser ?? loader);
  modules.set(url, module);
  module.link(imports.map(moduleOf));
  return module;
}

function notStaged(url) {
  throw new Error(`${url} is not in the archive`);
}
