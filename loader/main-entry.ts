/**
 * The program's entry, and that of a worker. Node.js finds its path by `_findPath`, takes its realpath,
 * and looks for the package.json that says whether a `.js` entry is an ES module
 * (lib/internal/modules/run_main.js); the index knows all of it.
 */
import type { Lookup } from './lookup.ts';
import { isEntryImported } from './earlier-tools.ts';
import { Module, patch } from './node-internals.ts';

/** As it was given and where it really is. */
export interface Entry {
  given: string;
  real: string;
}

/** Which entry this thread runs. */
export class MainEntry {
  entry: Entry | undefined;
  /** The name under which Node.js hands an ES module entry to its ES module loader without a look at package.json. */
  alias: string | undefined;

  constructor(entry: Entry | undefined) {
    this.entry = entry;
  }

  /** @returns what the entry resolves to, if the path is the entry as it was given */
  realOf(path: string): string | undefined {
    return path === this.entry?.given ? this.entry.real : undefined;
  }
}

/** Ends the name that stands for an ES module entry: with it Node.js asks no package.json. */
export const ALIAS_SUFFIX = '.mjs';

/** @param mayAlias whether our own hooks, and the shadow, will see the alias before anyone else */
export function patchMain(lookup: Lookup, main: MainEntry, mayAlias: () => boolean): void {
  patch(
    Module,
    '_findPath',
    (original) =>
      function (...args) {
        const { entry, alias } = main;
        const isEntry = entry && (args[0] === entry.given || args[0] === entry.real);
        return isEntry ? (alias ?? entry.real) : original.apply(this, args as never);
      },
  );
  const throughImport = isEntryImported();
  patch(
    Module,
    'runMain',
    (original) =>
      function (...args) {
        const path = (args[0] as string | undefined) ?? process.argv[1];
        const packed = path === undefined ? -1 : packedEntry(lookup, main, path);
        const { entry } = main;
        if (!entry || packed < 0 || throughImport) return original.apply(this, args as never);
        if (lookup.format(packed) === 'commonjs') {
          Module._load(entry.given, null, true);
          return undefined;
        }
        if (mayAlias() && isModuleByScope(lookup, packed)) main.alias = entry.real + ALIAS_SUFFIX;
        try {
          return original.apply(this, args as never);
        } finally {
          main.alias = undefined;
        }
      },
  );
}

/** Number of the packed entry, or -1. A worker's entry is not known before this. */
function packedEntry(lookup: Lookup, main: MainEntry, path: string): number {
  if (path !== main.entry?.given && path !== main.entry?.real) {
    const found = path.startsWith('/') ? lookup.file(path) : -1;
    if (found < 0) return -1;
    main.entry = { given: path, real: lookup.image.path(found) };
  }
  return lookup.realFile(main.entry.real);
}

/** Whether a `.js` or `.ts` file is an ES module because its package.json says so. */
function isModuleByScope({ image }: Lookup, packed: number): boolean {
  if (!/\.[jt]s$/.test(image.path(packed))) return false;
  const scope = image.find(image.scope(packed), false);
  if (scope < 0) return false;
  try {
    return (JSON.parse(image.text(scope)) as { type?: unknown }).type === 'module';
  } catch {
    return false;
  }
}
