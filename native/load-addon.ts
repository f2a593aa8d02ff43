/** Loads walla.node, the native core, or says what to do. */
import type { WallaAddon } from './addon.ts';
import { addonPath, copiedPackage, leaveCopy } from './addon-path.ts';
import { WallaError } from '../stage/errors.ts';

let addon: WallaAddon | undefined;

/**
 * @returns the native core, loaded once a thread
 * @throws WallaError ERR_WALLA_NATIVE when it is missing or made for another machine
 */
export function loadAddon(): WallaAddon {
  addon ??= open();
  return addon;
}

/** A copy of walla on this node can go away while a process starts from it. */
function open(): WallaAddon {
  try {
    return dlopen(addonPath('walla')) as WallaAddon;
  } catch (error) {
    if (copiedPackage() === undefined) throw error;
    leaveCopy();
    return dlopen(addonPath('walla')) as WallaAddon;
  }
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
    throw new WallaError('ERR_WALLA_NATIVE', `cannot load ${path}: ${(error as Error).message}`, {
      cause: error,
    });
  }
  return module.exports;
}
