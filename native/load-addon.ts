/** Loads the native core, or says what to do. */
import type { WallaAddon } from './addon.ts';
import { type AddonName, addonPath, copiedPackage, leaveCopy } from './addon-path.ts';
import { WallaError } from '../stage/errors.ts';

const ALLOW_ADDONS =
  'walla needs native addons: leave --no-addons out; with --permission add --allow-addons';

let addon: WallaAddon | undefined;
/** The addon that this thread's core is in, or will be. */
let home: AddonName = 'walla';

/**
 * @returns the native core, loaded once a thread
 * @throws WallaError ERR_WALLA_NATIVE when it is missing or made for another machine
 */
export function loadAddon(): WallaAddon {
  addon ??= open();
  return addon;
}

/** Takes the core of an addon for MPI, which has one too, unless this thread has loaded one before. */
export function adoptCore(name: AddonName, core: WallaAddon): void {
  if (addon) return;
  addon = core;
  home = name;
}

/**
 * Has a worker use the core of its main thread. All threads of a process share what the core keeps in memory, such as
 * the paths they have written to, and another addon has a core of its own.
 */
export function takeCoreFrom(name: AddonName): void {
  if (!addon) home = name;
}

export function coreHome(): AddonName {
  return home;
}

/** A copy of walla on this node can go away while a process starts from it. */
function open(): WallaAddon {
  try {
    return coreIn(dlopen(addonPath(home)));
  } catch (error) {
    if (copiedPackage() === undefined) throw error;
    leaveCopy();
    return coreIn(dlopen(addonPath(home)));
  }
}

function coreIn(exports: unknown): WallaAddon {
  return home === 'walla' ? (exports as WallaAddon) : (exports as { core: WallaAddon }).core;
}

/**
 * Loads an addon without `require`, which would stat it and leave it in `require.cache`.
 * @throws WallaError ERR_WALLA_NATIVE
 */
export function dlopen(path: string): unknown {
  const module = { exports: {} };
  try {
    process.dlopen(module, path);
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    // Node.js has been told so: --permission, --no-addons.
    const hint = code === 'ERR_DLOPEN_DISABLED' ? { hint: ALLOW_ADDONS } : {};
    throw new WallaError('ERR_WALLA_NATIVE', `cannot load ${path}: ${message}`, {
      cause: error,
      ...hint,
    });
  }
  return module.exports;
}
