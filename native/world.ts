/**
 * The one MPI of this process. The preload and `walla/mpi` are bundled apart but meet in one process,
 * so what they share hangs on an object that both have, out of sight: programs list globalThis.
 */

import nodeModule from 'node:module';
import { isMainThread } from '../loader/node-features.ts';
import { WallaError } from '../stage/errors.ts';
import { Communicator } from './communicator.ts';
import {
  describeLauncher,
  detectLauncher,
  OWNER_VARIABLE,
  type Environment,
  type Launcher,
} from './launcher.ts';
import {
  loadMpiAddon,
  type MpiAddon,
  type MpiEnvironment,
  type NativeCommunicator,
} from './mpi-addon.ts';
import { SelfCommunicator } from './self-communicator.ts';

export interface MpiState {
  readonly launcher: Launcher;
  /** Undefined when MPI is not used. */
  readonly addon: MpiAddon | undefined;
  readonly environment: MpiEnvironment | undefined;
  readonly world: NativeCommunicator;
  /** The ranks of `world` on this compute node. */
  readonly node: NativeCommunicator;
}

const KEY = Symbol.for('walla.mpi');
const shared = nodeModule as { [KEY]?: MpiState };

/** The launcher of this process; none for a child process of a rank. */
function ownLauncher(env: Environment): Launcher {
  const owner = env[OWNER_VARIABLE];
  const launcher = detectLauncher(env);
  if (owner === undefined || launcher.mpi === undefined) return launcher;
  if (owner === String(process.pid)) {
    throw new WallaError(
      'ERR_WALLA_MPI',
      'MPI was already used in this process, before it replaced itself with another program',
    );
  }
  return { kind: 'none', rank: 0, size: 1, localRank: undefined, mpi: undefined, release: false };
}

function open(env: Environment): MpiState {
  const launcher = ownLauncher(env);
  if (launcher.mpi === undefined) {
    return {
      launcher,
      addon: undefined,
      environment: undefined,
      world: new SelfCommunicator(),
      node: new SelfCommunicator(),
    };
  }
  const addon = loadMpiAddon(launcher.mpi, launcher);
  try {
    const environment = addon.initialize();
    process.env[OWNER_VARIABLE] = String(process.pid);
    const world = addon.world();
    if (launcher.size !== undefined && launcher.size !== world.size) {
      // Each process may be a world of its own; nobody waits for this one.
      addon.failQuietly();
      throw new WallaError(
        'ERR_WALLA_MPI_MISMATCH',
        `the job was started by ${describeLauncher(launcher)}, but MPI says size ${world.size}: ${environment.library}`,
      );
    }
    return { launcher, addon, environment, world, node: world.splitByNode() };
  } catch (error) {
    throw WallaError.from(error, 'ERR_WALLA_MPI');
  }
}

/**
 * MPI, or what stands for it without a launcher. The first call is collective: it initializes MPI.
 * @throws WallaError ERR_WALLA_MPI on a worker thread, or if MPI cannot be used; ERR_WALLA_MPI_MISMATCH
 *   if the launcher belongs to another MPI; ERR_WALLA_OPTION if WALLA_MPI is wrong
 */
export function openMpi(env: Environment = process.env): MpiState {
  if (!isMainThread) {
    throw new WallaError('ERR_WALLA_MPI', 'MPI can be used on the main thread only', {
      hint: 'call walla/mpi on the main thread and send the result to the worker',
    });
  }
  const state = shared[KEY] ?? open(env);
  Object.defineProperty(shared, KEY, { value: state, configurable: true });
  return state;
}

/**
 * All ranks of the job as a communicator; collective the first time.
 * @param env where the launcher's variables are looked up the first time
 * @throws as openMpi
 */
export function openWorld(env: Environment = process.env): Communicator {
  return new Communicator(openMpi(env).world);
}

/** Finalizes MPI for good, if walla initialized it; collective. Without MPI it does nothing. */
export function releaseMpi(): void {
  const { addon } = openMpi();
  try {
    addon?.release();
  } catch (error) {
    throw WallaError.from(error, 'ERR_WALLA_MPI');
  }
}

/**
 * Says that all ranks have agreed to fail: each then exits with its own status, and MPI is finalized
 * instead of aborting the job.
 */
export function failQuietly(): void {
  shared[KEY]?.addon?.failQuietly();
}
