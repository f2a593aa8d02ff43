import nodeModule from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { MpiAbi } from './launcher.ts';

/** Where the code that loads a copy of walla (stage/guarded-preload.ts) says where the whole package is. */
const WHOLE = Symbol.for('walla.package');

/** The core, and the addons that have MPI beside it. */
export type AddonName = 'walla' | `mpi-${MpiAbi}`;

let left = false;

/**
 * Directory of the walla package, or of the copy on this node that this process was loaded from. Found without asking
 * the file system (every rank would ask): this code runs from `dist/FILE` when bundled and from
 * `native/addon-path.ts` in the source tree, and both are one level below it.
 */
export function packageDirectory(): string {
  if (left) return wholePackage();
  // A CommonJS bundle has __dirname and an empty import.meta; a module has only the latter.
  const here = typeof __dirname === 'string' ? __dirname : dirname(fileURLToPath(import.meta.url));
  return dirname(here);
}

/** Directory of the package as it is installed: a copy has no packer and no downloader. */
export function wholePackage(): string {
  return copiedPackage() ?? packageDirectory();
}

/** Directory of the package that this process runs a copy of; undefined where it runs no copy. */
export function copiedPackage(): string | undefined {
  return (nodeModule as { [WHOLE]?: string })[WHOLE];
}

/** The copy is gone or about to go: everything else is loaded from the package itself. */
export function leaveCopy(): void {
  left = copiedPackage() !== undefined;
}

const MACHINE = `${process.platform}-${process.arch}`;

/** Path in the package of an addon that ranks load: beside the preload, so that they look no directory up for it. */
export function addonFile(name: AddonName): string {
  return `dist/${name}-${MACHINE}.node`;
}

/** Path of the same on this machine. */
export function addonPath(name: AddonName): string {
  return join(packageDirectory(), addonFile(name));
}

/** Path of a native file that `walla/collfs` and its programs use: 'collfs-openmpi.node', 'libcollfs-mpich.so'. */
export function nativePath(file: string): string {
  return join(packageDirectory(), 'dist/native', MACHINE, file);
}
