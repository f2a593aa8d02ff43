/**
 * What this Node.js can do, asked once. One line of source for each gate, so that a new Node.js
 * version is a change in this file alone.
 */
import nodeModule from 'node:module';
import { nodeWords } from './node-words.ts';

const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);

/** Module customization hooks on the same thread: Node.js 22.15, 23.5. doc/api/module.md, "module.registerHooks". */
export const hasSyncHooks =
  typeof (nodeModule as { registerHooks?: unknown }).registerHooks === 'function';

/**
 * Whether this is the main thread. Asked without node:worker_threads, which takes 3 to 7 ms to load:
 * lib/internal/process/worker_thread_only.js marks what a worker cannot do.
 */
export const isMainThread = (process.abort as { disabled?: boolean }).disabled !== true;

/**
 * Whether this thread runs other people's `module.register` hooks; preloads run there too.
 * lib/internal/modules/esm/hooks.js starts it; `isInternalThread` exists since Node.js 22.14 / 23.7.
 * Before that, only a worker of the program's own has a parentPort: lib/internal/main/worker_thread.js.
 */
export const isHooksThread = !isMainThread && runsHooks();

/** Imports of WebAssembly modules: on by default from Node.js 24.5, behind a flag before. lib/internal/modules/esm/formats.js */
const importsWasm =
  major > 24 || (major === 24 && minor >= 5) || hasFlag('--experimental-wasm-modules');

/** Imports of native addons: on by default from Node.js 24 here, behind a flag in 22. lib/internal/modules/esm/formats.js */
const importsAddons = major >= 24 || hasFlag('--experimental-addon-modules');

/** The hooks thread's CommonJS format with a full `require`, undocumented; needed where there are no synchronous hooks. lib/internal/modules/esm/translators.js */
export const commonjsFormatOffThread = 'commonjs-sync';

/** Whether the messages to the hooks thread are those that held-hooks-thread.ts answers. lib/internal/modules/esm/hooks.js of the v20.x branch */
export const canHoldHooksThread = major === 20;

/** `import()` resolves and compiles the module before it returns; later versions of 24 alone. lib/internal/modules/esm/loader.js, getOrCreateModuleJob */
export const importsAtOnce = major >= 24;

/** `readdir` with `recursive` and file types goes through links to directories. lib/fs.js, handleDirents */
export const listsThroughLinks = major >= 22;

/** The promise form of a recursive `readdir` takes directories in the order of the others; before, the last one first. lib/internal/fs/promises.js, readdirRecursive */
export const listsInOrder = major >= 26;

/** The callback form of a recursive `readdir` is the synchronous one in disguise. lib/fs.js, readdir */
export const listsAtOnce = major < 22;

/** `cpSync` checks paths and copies directories in C++, past every patch. lib/internal/fs/cp/cp-sync.js */
export const copiesNatively = major >= 22;

/** The other forms of `cp` copy directories in C++ too. lib/internal/fs/cp/cp.js, copyDirNative */
export const copiesNativelyLater = major >= 26;

/** A look at `module.parent` is warned of, so that only Node.js can tell who required whom. lib/internal/modules/cjs/loader.js */
export const isParentDeprecated =
  hasFlag('--pending-deprecation') || process.env['NODE_PENDING_DEPRECATION'] === '1';

/** Whether Node.js's own `enableCompileCache` takes an object, and NODE_COMPILE_CACHE where nothing is said. lib/internal/modules/helpers.js */
export function takesOptions(enableCompileCache: unknown): boolean {
  return /^function \w*\(options/.test(String(enableCompileCache));
}

/** A portable compile cache is of no user: its directory is named without one. src/compile_cache.cc */
export const portableCacheHasNoUser = major >= 26;

/** Whether this Node.js imports files of this module format; where not, its own resolver raises its own error. */
export function isImportable(format: string | undefined): boolean {
  return format === 'addon'
    ? importsAddons
    : format === 'wasm'
      ? importsWasm
      : format !== undefined;
}

/** Whether a flag was given on the command line or in NODE_OPTIONS. */
export function hasFlag(flag: string): boolean {
  return nodeWords().includes(flag);
}

/** The same for a flag that takes a value, in either spelling. */
export function hasFlagOrValue(flag: string): boolean {
  return nodeWords().some((word) => word === flag || word.startsWith(`${flag}=`));
}

function runsHooks(): boolean {
  const threads: { isInternalThread?: boolean; parentPort: unknown } =
    process.getBuiltinModule('node:worker_threads');
  return threads.isInternalThread ?? threads.parentPort === null;
}
