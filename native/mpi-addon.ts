/** The shape of the addon for each MPI, and how one is loaded. */

import { WallaError } from '../stage/errors.ts';
import { addonPath } from './addon-path.ts';
import { describeLauncher, type Launcher, type MpiAbi } from './launcher.ts';
import type { WallaAddon } from './addon.ts';
import { adoptCore, dlopen } from './load-addon.ts';

export type ReduceOp = 'sum' | 'min' | 'max';

export interface MpiEnvironment {
  /** False if another library of this process initialized MPI before; then it also finalizes. */
  initializedHere: boolean;
  threadLevel: 'funneled' | 'serialized' | 'multiple';
  /** What MPI says it is, e.g. 'Open MPI v4.1.4, ...'. */
  library: string;
}

/** What a file broadcast needs; see `Communicator.broadcastFile`. */
export interface FileBroadcast {
  root: number;
  sourceFd: number;
  targetFd: number;
  bytes: number;
  hashFrom: number;
  chunkBytes: number;
  onProgress: ((doneBytes: number) => void) | undefined;
}

/**
 * A communicator of the addon. All arguments are already checked. Functions throw an Error with
 * `code` ERR_WALLA_MPI (and `mpiClass`, where MPI failed) or ERR_WALLA_TRANSFER (and `errno`,
 * `syscall`, `rank`). All methods are collective. Nothing is freed by garbage collection, which
 * is not collective.
 */
export interface NativeCommunicator {
  readonly rank: number;
  readonly size: number;
  /** For other addons of this MPI: what MPI_Comm_f2c takes. Undefined where there is no MPI. */
  readonly handle: number | undefined;
  barrier(patient: boolean): void;
  bcast(bytes: Uint8Array, root: number): void;
  allreduce(values: Float64Array | BigInt64Array, op: ReduceOp, patient: boolean): void;
  /** The least of each value over all ranks. Throws ERR_WALLA_TIMEOUT with `absent`, ranks, after so long; 0: never. */
  agree(values: Float64Array, timeoutMs: number): void;
  gather(bytes: Uint8Array, root: number): Buffer[] | undefined;
  allgather(bytes: Uint8Array): Buffer[];
  split(color: number | undefined, key: number): NativeCommunicator | undefined;
  splitByNode(): NativeCommunicator;
  broadcastFile(options: FileBroadcast): string;
  free(): void;
}

export interface MpiAddon {
  /** The core, which is in this addon too. */
  readonly core: WallaAddon;
  /** Collective. Initializes MPI unless somebody has; makes this thread the only one that may use it. */
  initialize(): MpiEnvironment;
  /** Collective the first time: all ranks, apart from the program's own use of MPI_COMM_WORLD. */
  world(): NativeCommunicator;
  isInitialized(): boolean;
  isFinalized(): boolean;
  /** Collective. Finalizes now, if MPI was initialized here. */
  release(): void;
  /**
   * Ends this process with a report on stderr after so many milliseconds, unless called again; 0: no more. Has the
   * server behind `serverFd`, unless that is -1, end the job.
   */
  watch(ms: number, report: string, serverFd: number): void;
  /** Whether the process manager behind the socket PMI_FD has hung up: a program of this rank finalized MPI. */
  isServerGone(fd: number): boolean;
  /** All ranks agreed to fail: an exit status other than 0 then finalizes instead of aborting the job. */
  failQuietly(): void;
}

const NAMES: Record<MpiAbi, string> = { openmpi: 'Open MPI', mpich: 'MPICH' };
const PACKAGES: Record<MpiAbi, string> = { openmpi: 'libopenmpi-dev', mpich: 'libmpich-dev' };

/**
 * UCX, which many MPIs use, expects to own the process. It reads these variables when it is loaded;
 * what the user has set stays.
 */
function prepareUcx(): void {
  // It takes over SIGSEGV. V8 needs it: an access out of the bounds of a WebAssembly memory is a
  // SIGSEGV that V8 turns into a RuntimeError, and that UCX turns into the end of the process.
  process.env['UCX_HANDLE_ERRORS'] ??= 'none';
  // It hooks into brk, and tries the hook by moving the end of the data segment to and fro without
  // the lock of malloc. A thread of Node.js that extends the heap at that moment loses its memory:
  // one start in a hundred crashed or hung (UCX 1.13). Without these hooks UCX keeps no cache of
  // registered memory, which staging would not profit from.
  process.env['UCX_MEM_EVENTS'] ??= 'n';
}

/**
 * Loads the addon of one MPI. Loading starts nothing; `initialize` does.
 * @param launcher who started this process, for the message
 * @throws WallaError ERR_WALLA_MPI if it was not built, or its MPI library is not there
 */
export function loadMpiAddon(
  abi: MpiAbi,
  launcher: Launcher,
  path = addonPath(`mpi-${abi}`),
): MpiAddon {
  prepareUcx();
  try {
    const addon = dlopen(path) as MpiAddon;
    adoptCore(`mpi-${abi}`, addon.core);
    return addon;
  } catch (cause) {
    const text = cause instanceof Error ? cause.message : String(cause);
    const absent = text.includes(`${path}: cannot open shared object file`);
    const why = absent ? `${path} was not built` : text;
    throw new WallaError(
      'ERR_WALLA_MPI',
      `this process was started by ${describeLauncher(launcher)}, but walla's addon for ${NAMES[abi]} cannot be loaded: ${why}`,
      {
        hint: absent
          ? `install ${NAMES[abi]} with its compiler wrapper (Debian: ${PACKAGES[abi]}) and run \`npm run build\`, or set WALLA_MPI=off to run without MPI`
          : `make the libraries of ${NAMES[abi]} visible to the loader (module load, LD_LIBRARY_PATH), or set WALLA_MPI=off to run without MPI`,
        cause,
      },
    );
  }
}
