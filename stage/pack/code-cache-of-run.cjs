'use strict';
/**
 * Preloaded into the run of walla pack --code-cache. Node.js takes a module's code cache as soon as it has compiled it,
 * before any of its functions has run, and V8 compiles a function when it is first called. So here the caches are made
 * when the program ends: each module is compiled once more, which V8 answers from its own cache of compiled sources, with
 * the functions that have been called since. Nothing is evaluated again.
 *
 * The caches go to $_WALLA_CODE_CACHE/program; those of children and workers, made as Node.js makes them, to
 * $_WALLA_CODE_CACHE/others. A Node.js that imports asynchronously cannot do this: then there is no file `complete`.
 */
const fs = require('node:fs');
const Module = require('node:module');
const path = require('node:path');
const v8 = require('node:v8');
const { isMainThread } = require('node:worker_threads');

const directory = process.env._WALLA_CODE_CACHE;
const others = path.join(directory, 'others');
if (!isMainThread) Module.enableCompileCache(others);
else if (process.env.NODE_COMPILE_CACHE !== others) start();

function start() {
  process.env.NODE_COMPILE_CACHE = others; // for children; this process has read it
  // Functions that have not been called for long would be thrown away before the program ends.
  v8.setFlagsFromString('--no-flush-bytecode');
  const imports = recordImports();
  const requires = recordRequires();
  const { emit } = process;
  // After all listeners: what they call is compiled too.
  process.emit = function (event, code) {
    const result = emit.apply(this, arguments);
    const status = process.exitCode ?? code;
    if (event === 'exit' && Number(status ?? 0) === 0) {
      // A cache is for the flags of the moment when it is made.
      v8.setFlagsFromString('--flush-bytecode');
      process.emit = emit;
      Module.enableCompileCache(path.join(directory, 'program'));
      requires.compile();
      if (imports.compile()) {
        Module.flushCompileCache();
        fs.writeFileSync(path.join(directory, 'complete'), '');
      }
      process.reallyExit(0); // before any microtask, in which an import would be evaluated
    }
    return result;
  };
}

function recordRequires() {
  const compile = Module.prototype._compile;
  const compiled = new Map();
  Module.prototype._compile = function (content, filename, format) {
    if (typeof content === 'string') compiled.set(filename, [content, format]);
    return compile.apply(this, arguments);
  };
  return {
    compile() {
      const done = new Error('compiled');
      for (const [filename, [content, format]] of compiled) {
        const module = new Module(filename);
        // Asked for between compilation and the call.
        Object.defineProperty(module, 'exports', {
          get() {
            throw done;
          },
        });
        try {
          compile.call(module, content, filename, format);
        } catch {
          // done, or what the program was told too
        }
      }
    },
  };
}

/** The type by which imports are asked for again; Node.js keeps modules by URL and type. */
const AGAIN = 'walla-again';
const COMPILED = new Set(['module', 'module-typescript']);

function recordImports() {
  const loaded = new Map();
  let left;
  Module.registerHooks({
    resolve(specifier, context, next) {
      if (left === undefined) return next(specifier, context);
      const importAttributes = { type: AGAIN };
      if (left.has(specifier)) return { url: specifier, importAttributes, shortCircuit: true };
      // What the module asks for in turn.
      return { url: 'node:path', format: 'builtin', importAttributes, shortCircuit: true };
    },
    load(url, context, next) {
      if (left !== undefined && left.delete(url)) return { ...loaded.get(url), shortCircuit: true };
      const result = next(url, context);
      const { format, source } = result;
      if (COMPILED.has(format) && source != null) loaded.set(url, { format, source });
      return result;
    },
  });
  return {
    /** @returns whether this Node.js has compiled all modules at once */
    compile() {
      left = new Set(loaded.keys());
      for (const url of loaded.keys()) import(url, { with: { type: AGAIN } }).catch(() => {});
      return left.size === 0;
    },
  };
}
