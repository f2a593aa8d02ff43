'use strict';
/**
 * Preloaded into a recorded run (walla pack --record): notes every name that is resolved and every
 * file that is read, as JSON lines in a file of its own per thread below $WALLA_RECORD. NODE_OPTIONS
 * carries it into children and workers. It changes no answer.
 */
const fs = require('node:fs');
const Module = require('node:module');
const path = require('node:path');
const { fileURLToPath } = require('node:url');
const { isInternalThread, threadId } = require('node:worker_threads');

const directory = process.env.WALLA_RECORD;
// The preload also runs in the thread of module.register hooks, which is not the program's.
if (directory !== undefined && !isInternalThread) start();

function start() {
  const { openSync, writeSync } = fs;
  const out = openSync(path.join(directory, `${process.pid}-${threadId}.jsonl`), 'a');
  const seen = new Set();
  const note = (line) => {
    const text = `${JSON.stringify(line)}\n`;
    if (seen.has(text)) return;
    seen.add(text);
    try {
      writeSync(out, text);
    } catch {
      // The program may have closed every descriptor; it goes on unrecorded.
    }
  };
  recordRequire(note);
  recordImport(note);
  recordReads(note);
}

function recordRequire(note) {
  const resolveFilename = Module._resolveFilename;
  Module._resolveFilename = function (request, parent, isMain, options) {
    const from = parent?.filename;
    if (!isMain && !options?.paths && typeof from === 'string' && path.isAbsolute(from)) {
      if (typeof request === 'string' && !Module.isBuiltin(request)) {
        note({ kind: 'require', parent: from, specifier: request });
      }
    }
    return resolveFilename.apply(this, arguments);
  };
}

function recordImport(note) {
  if (typeof Module.registerHooks === 'function') {
    Module.registerHooks({
      resolve(specifier, context, next) {
        const { parentURL, conditions } = context;
        if (parentURL?.startsWith('file:') && !conditions?.includes('require')) {
          note({ kind: 'import', parent: fileURLToPath(parentURL), specifier });
        }
        return next(specifier, context);
      },
    });
    return;
  }
  // Node.js 20: hooks live in a thread of their own and write a file of their own.
  const hooks = `
    import { appendFileSync } from 'node:fs';
    import { fileURLToPath } from 'node:url';
    let file;
    export function initialize(path) { file = path; }
    export function resolve(specifier, context, next) {
      if (context.parentURL?.startsWith('file:')) {
        const parent = fileURLToPath(context.parentURL);
        appendFileSync(file, JSON.stringify({ kind: 'import', parent, specifier }) + '\\n');
      }
      return next(specifier, context);
    }`;
  const file = path.join(directory, `${process.pid}-${threadId}-import.jsonl`);
  Module.register(`data:text/javascript,${encodeURIComponent(hooks)}`, { data: file });
}

function recordReads(note) {
  const read = (file) => {
    const name = file instanceof URL && file.protocol === 'file:' ? fileURLToPath(file) : file;
    const text = Buffer.isBuffer(name) ? name.toString() : name;
    if (typeof text === 'string') note({ kind: 'read', path: path.resolve(text) });
  };
  const forReading = (flags) =>
    flags === undefined || flags === null || flags === 'r' || flags === 0;
  patch(fs, ['readFile', 'readFileSync', 'createReadStream', 'copyFile', 'copyFileSync'], read);
  patch(fs.promises, ['readFile', 'copyFile'], read);
  patch(fs, ['open', 'openSync'], (file, flags) => {
    if (typeof flags === 'function' || forReading(flags)) read(file);
  });
  patch(fs.promises, ['open'], (file, flags) => {
    if (forReading(flags)) read(file);
  });
  patch(process, ['dlopen'], (module, file) => read(file));
  Module.syncBuiltinESMExports();
}

function patch(object, names, before) {
  for (const name of names) {
    const original = object[name];
    object[name] = Object.assign(function (...args) {
      before(...args);
      return Reflect.apply(original, this, args);
    }, original);
  }
}
