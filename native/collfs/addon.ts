/** The shape of collfs-openmpi.node and collfs-mpich.node, libcollfs for Node.js, and how one is loaded. */

import { WallaError } from '../../stage/errors.ts';
import { nativePath } from '../addon-path.ts';
import type { MpiAbi } from '../launcher.ts';
import { dlopen } from '../load-addon.ts';

/** A path as the addon takes it: bytes where it is not UTF-8. */
export type RawPath = string | Uint8Array;

/** What libcollfs itself has to report, besides an errno. */
export interface CollfsReport {
  /** ERR_COLLFS_DIVERGED and its like. */
  code: string;
  /** The rank that it is about; -1 if that is no single rank. */
  rank: number;
  message: string;
  hint: string;
}

/** As the addon throws it. */
export interface RawFailure extends Error {
  /** Negative. */
  errno: number;
  collfs?: CollfsReport;
}

/**
 * libcollfs. All arguments are already checked; native/src/collfs/collfs.h says what each function does
 * and which are collective. They throw RawFailure.
 */
export interface CollfsAddon {
  /** @param handle of a communicator of the same MPI */
  push(handle: number, root: number): void;
  pop(): void;
  setRoot(root: number): void;
  setChecked(on: boolean): void;
  /** @param ms 0: none */
  setTimeout(ms: number): void;
  setCache(on: boolean): void;
  dropCache(): void;
  open(path: RawPath, flags: number): number;
  /** @returns for each path a descriptor, or a negative errno */
  openMany(paths: readonly RawPath[], flags: number): Int32Array;
  /** @returns the numbers that stats.ts reads */
  stat(path: RawPath, follow: boolean): BigInt64Array;
  fstat(fd: number): BigInt64Array;
  /** @returns the numbers of one path after the other, and for each 0 or a negative errno */
  statMany(
    paths: readonly RawPath[],
    follow: boolean,
  ): { numbers: BigInt64Array; errors: Int32Array };
  access(path: RawPath, mode: number): void;
  readlink(path: RawPath): Buffer;
  /** @returns names in the order of their bytes, each followed by a NUL, and their types in <dirent.h> */
  readdir(path: RawPath): { names: Buffer; types: Uint8Array };
  /** @returns root's `answer` */
  share(question: string, answer: Uint8Array): Buffer;
  /** Has the dynamic linker load a library that stays; local. Throws an Error with the linker's message. */
  loadLibrary(path: string): void;
  isShared(fd: number): boolean;
  /** JSON, as collfs_counters_json has it. */
  counters(): string;
  resetCounters(): void;
}

/**
 * Loads libcollfs for one MPI, which is loaded already.
 * @throws WallaError ERR_WALLA_NATIVE if it was not built
 */
export function loadCollfs(abi: MpiAbi): CollfsAddon {
  try {
    return dlopen(nativePath(`collfs-${abi}.node`)) as CollfsAddon;
  } catch (error) {
    throw new WallaError('ERR_WALLA_NATIVE', (error as Error).message, {
      hint: 'build it with `npm run build`',
      cause: error,
    });
  }
}
