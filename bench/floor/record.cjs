/**
 * Preloaded by plain Node.js: writes which module imports which to the file FLOOR_GRAPH, for run.cjs.
 * One line of JSON: { url: { format, imports: [url of each import, in the order of the module's requests] } }.
 */
'use strict';
const { writeFileSync } = require('node:fs');
const { registerHooks } = require('node:module');

const graph = {};

registerHooks({
  resolve(specifier, context, next) {
    const found = next(specifier, context);
    if (context.parentURL !== undefined && context.conditions.includes('import')) {
      graph[context.parentURL]?.imports.push(found.url);
    }
    return found;
  },
  load(url, context, next) {
    const loaded = next(url, context);
    graph[url] ??= { format: loaded.format, imports: [] };
    return loaded;
  },
});

process.on('exit', () => {
  writeFileSync(process.env.FLOOR_GRAPH, JSON.stringify(graph));
});
