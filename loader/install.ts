/** Puts every hook in place for this Node.js version and this thread. */
import { pathToFileURL } from 'node:url';
import type { Attachment } from '../stage/attachment.ts';
import { announce } from './announced.ts';
import { installCommonJS } from './commonjs.ts';
import { syncHooks } from './esm-hooks.ts';
import { Lookup } from './lookup.ts';
import { type Entry, MainEntry, patchMain } from './main-entry.ts';
import { installNativeAddons } from './native-addons.ts';
import { holdHooksThread } from './held-hooks-thread.ts';
import { expectProgram } from './large-program.ts';
import { ImportAnswers } from './import-answers.ts';
import { canHoldHooksThread, hasFlag } from './node-features.ts';
import { deferring, hasEarlierPreload, hasLoaderFlag, isPatched } from './earlier-tools.ts';
import { Module, patch } from './node-internals.ts';
import { LateBuiltins } from './late-builtins.ts';
import type { Misses } from './misses.ts';
import { PackageSearch } from './package-search.ts';
import { installFsReads } from './shadow/install.ts';
import { installFsWrites } from './shadow/writes.ts';
import { ShadowedPaths } from './shadow/shadowed-path.ts';
import { UsualConditions } from './usual-conditions.ts';
import type { NativeImage } from '../native/addon.ts';

export interface LoaderOptions {
  image: NativeImage;
  /** What another thread needs to map the same image. */
  attachment: Attachment;
  /** Absolute path of the bundled hooks-thread file. */
  hooksThreadFile: string;
  entry: Entry | undefined;
  /** Whether reads through fs are answered from the image. */
  shadow: boolean;
  /** Real file on this node for a packed entry. */
  localPath: (entry: number) => string;
  /** Keeps a report of what the image does not hold. */
  keepReport?: ((lookup: Lookup) => Misses | undefined) | undefined;
  /** To patch built-in modules when they are asked for. */
  onBuiltins?: (late: LateBuiltins) => void;
}

// A program that lists `require.cache` finds its own files there, and not this bundle; at every load,
// for --require and NODE_OPTIONS can both name it.
if (typeof __filename === 'string') Reflect.deleteProperty(Module._cache, __filename);

/** @returns the lookup */
export function installLoader(options: LoaderOptions): Lookup {
  const { roots, preserveSymlinks } = options.attachment;
  const paths = new ShadowedPaths(options.image, roots, !preserveSymlinks);
  const lookup = new Lookup(options.image, preserveSymlinks, paths);
  expectProgram(options.image);
  lookup.misses = paths.misses = options.keepReport?.(lookup);
  // An entry that stays the link it is has no other path that the index could tell.
  const keepsLink =
    hasFlag('--preserve-symlinks-main') || process.env['NODE_PRESERVE_SYMLINKS_MAIN'] === '1';
  const main = new MainEntry(keepsLink ? undefined : options.entry);
  const late = new LateBuiltins();
  if (options.shadow) {
    const { files } = options.attachment;
    installFsReads(paths, main, late, files, options.localPath);
  }
  installFsWrites(paths, late, options.shadow);
  options.onBuiltins?.(late);
  installNativeAddons(lookup, options.localPath);
  const comesLater = hasEarlierPreload();
  if (comesLater && isPatched('load')) otherHooks.present = true;
  const search = new PackageSearch();
  const usual = new UsualConditions(options.attachment.conditions);
  installCommonJS(lookup, main, otherHooks, comesLater && isPatched('resolve'), search, usual);
  announce(lookup, paths, options.shadow, otherHooks);
  if (!keepsLink) patchMain(lookup, main, () => options.shadow && !otherHooks.present);
  search.remember();
  installImports(lookup, late, options, comesLater, usual);
  Module.syncBuiltinESMExports();
  return lookup;
}

/** @param comesLater other tools may have registered hooks before */
function installImports(
  lookup: Lookup,
  late: LateBuiltins,
  options: LoaderOptions,
  comesLater: boolean,
  usual: UsualConditions,
): void {
  // A user's own loader was registered before us and sees only what we leave alone: stand down.
  if (hasLoaderFlag()) {
    late.all(); // only our own synchronous hooks see which built-in modules a program asks for
    return;
  }
  const register = Module.register.bind(Module);
  const offThread = (): void => {
    register(pathToFileURL(options.hooksThreadFile).href, {
      data: { ...options.attachment, comesLater },
    });
  };
  if (!Module.registerHooks) {
    const answers = new ImportAnswers(lookup);
    if (canHoldHooksThread) holdHooksThread(lookup.misses?.watching(answers) ?? answers, offThread);
    else offThread();
    late.all();
    return;
  }
  const plain = syncHooks(lookup, late, usual);
  const own = lookup.misses?.timing(plain) ?? plain;
  const hooks = Module.registerHooks(
    comesLater ? deferring(own, () => (otherHooks.present = true)) : own,
  );
  patch(
    Module as Required<typeof Module>,
    'registerHooks',
    (original) =>
      function (...args) {
        otherHooks.present = true;
        late.all(); // theirs may answer before ours are asked
        return original.apply(this, args as never);
      },
  );
  // Synchronous hooks run before all off-thread ones, so a later `module.register` would never see a
  // packed module: hand over to an off-thread copy of ours, registered first.
  let handedOver = false;
  patch(
    Module,
    'register',
    (original) =>
      function (...args) {
        otherHooks.present = true;
        if (!handedOver) {
          handedOver = true;
          hooks.deregister();
          late.all();
          offThread();
        }
        return original.apply(this, args as never);
      },
  );
}

/** Whether others have registered synchronous hooks after ours. It stays so: one cannot see them leave. */
const otherHooks = { present: false };
