import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/**
 * Directory of the walla package, found without asking the file system (every rank would ask): this
 * code runs from `dist/FILE` when bundled and from `native/addon-path.ts` in the source tree, and
 * both are one level below it.
 */
export function packageDirectory(): string {
  // A CommonJS bundle has __dirname and an empty import.meta; a module has only the latter.
  const here = typeof __dirname === 'string' ? __dirname : dirname(fileURLToPath(import.meta.url));
  return dirname(here);
}

/**
 * Path of a native addon of this package for this machine type.
 * @param name file name without extension: 'walla', 'mpi-openmpi', 'mpi-mpich'
 */
export function addonPath(name: string): string {
  const machine = `${process.platform}-${process.arch}`;
  return join(packageDirectory(), 'dist', 'native', machine, `${name}.node`);
}
