import * as nodeModule from 'node:module';
import { extname } from 'node:path';
import vm from 'node:vm';
import { ruleFlags } from '../resolution-rules.ts';
import type { ModuleFormat } from '../format/index-layout.ts';

/** What "type" says; unclear where Node.js may refuse the package.json, and with it the files that it governs. */
export type PackageType = 'module' | 'commonjs' | 'unclear' | undefined;

/** How a file is to be treated. */
export interface FileFormat {
  /** What Node.js would load it as; undefined when it is no module. */
  format: ModuleFormat | undefined;
  /** JavaScript to look for references in. */
  javascript: string | undefined;
}

/**
 * Settles a file's format as Node.js does: by extension, then the package's "type", then, for
 * files without either, by whether the source compiles as CommonJS.
 * @param asModule the file was reached by import or require, which load any extension
 * @param read gives the source; only called where it matters
 */
export function fileFormat(
  path: string,
  type: PackageType,
  asModule: boolean,
  read: () => string,
): FileFormat {
  switch (extname(path)) {
    case '.mjs':
      return { format: 'module', javascript: read() };
    case '.cjs':
      return { format: 'commonjs', javascript: read() };
    case '.json':
      return { format: 'json', javascript: undefined };
    case '.node':
      return { format: 'addon', javascript: undefined };
    case '.wasm':
      return { format: 'wasm', javascript: undefined };
    case '.js':
      return javascript(type, read());
    case '':
      return asModule ? javascript(type, read()) : { format: undefined, javascript: undefined };
    case '.ts':
    case '.mts':
    case '.cts':
      return typescript(path, type, read);
    default:
      // require() treats any other file as CommonJS, import refuses it: leave that to Node.js.
      return { format: undefined, javascript: asModule ? read() : undefined };
  }
}

function javascript(type: PackageType, source: string): FileFormat {
  return { format: decided(type, source), javascript: source };
}

function decided(type: PackageType, source: string): 'module' | 'commonjs' | undefined {
  return type === 'unclear' ? undefined : (type ?? detected(source));
}

/** Undefined where Node.js was told not to look: what such a file then does is for Node.js to say. */
function detected(source: string): 'module' | 'commonjs' | undefined {
  if (!hasModuleSyntax(source)) return 'commonjs';
  return ruleFlags().includes('--no-experimental-detect-module') ? undefined : 'module';
}

function typescript(path: string, type: PackageType, read: () => string): FileFormat {
  const none = { format: undefined, javascript: undefined };
  const features = process.features as { typescript?: unknown };
  if (!features.typescript || path.includes('/node_modules/')) return none;
  const { stripTypeScriptTypes } = nodeModule as {
    stripTypeScriptTypes?: (source: string) => string;
  };
  if (stripTypeScriptTypes === undefined) return none;
  let source: string;
  try {
    source = unwarned(() => stripTypeScriptTypes(read()));
  } catch {
    // Syntax that needs a transformation: Node.js must report it at the file's own place.
    return none;
  }
  const extension = extname(path);
  const said = extension === '.mts' ? 'module' : extension === '.cts' ? 'commonjs' : type;
  const format = decided(said, source);
  return { format: format && `${format}-typescript`, javascript: source };
}

/** Node.js warns that the function is experimental, which the user of a packer can do nothing about. */
function unwarned<Result>(use: () => Result): Result {
  const emitWarning: unknown = Reflect.get(process, 'emitWarning');
  process.emitWarning = () => undefined;
  try {
    return use();
  } finally {
    Reflect.set(process, 'emitWarning', emitWarning);
  }
}

const WRAPPER = ['exports', 'require', 'module', '__filename', '__dirname'];

/**
 * Errors by which Node.js tells ESM from broken CommonJS.
 * https://github.com/nodejs/node/blob/v24.0.0/src/node_contextify.cc#L1525
 */
const MODULE_ERRORS = [
  'Cannot use import statement outside a module',
  "Unexpected token 'export'",
  "Cannot use 'import.meta' outside a module",
];

/** These also count, if the source then compiles as a module. */
const MAYBE_MODULE_ERRORS = [
  "Identifier '__filename' has already been declared",
  "Identifier '__dirname' has already been declared",
  "Identifier 'exports' has already been declared",
  "Identifier 'module' has already been declared",
  "Identifier 'require' has already been declared",
  'await is only valid in async functions and the top level bodies of modules',
  'Unexpected reserved word',
];

/** Whether Node.js takes a `.js` file without a package "type" for a module. Runs no code. */
export function hasModuleSyntax(source: string): boolean {
  if (!/\b(?:import|export|await|__filename|__dirname|exports|module|require)\b/.test(source)) {
    return false;
  }
  // Only these can make the CommonJS compilation fail: spare the rest the compilation.
  if (
    !/\b(?:import\b(?!\s*\()|export\b|await\b)|\b(?:const|let|class|function)\b[^=;()]{0,200}\b(?:__filename|__dirname|exports|module|require)\b/.test(
      source,
    )
  ) {
    return false;
  }
  const message = compileError(source, WRAPPER);
  if (message === undefined) return false;
  if (MODULE_ERRORS.some((text) => message.includes(text))) return true;
  if (!MAYBE_MODULE_ERRORS.some((text) => message.includes(text))) return false;
  // Node.js tries again inside an async function without the wrapper's names.
  return compileError(`(async function() {${source}})();`, []) === undefined;
}

function compileError(source: string, parameters: string[]): string | undefined {
  try {
    vm.compileFunction(source.replace(/^#!.*/, ''), parameters);
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}
