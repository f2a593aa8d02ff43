/**
 * The one MPI of this process. The preload and `walla/mpi` are bundled apart but meet in one process,
 * so what they share hangs on an object that both have, out of sight: programs list globalThis.
 */

import { writeSync } from 'node:fs';
import nodeModule from 'node:module';
import { hostname } from 'node:os';
import { isMainThread } from '../loader/node-features.ts';
import { WallaError } from '../stage/errors.ts';
import { readTimeout } from '../stage/options.ts';
import {
  describeLauncher,
  detectLauncher,
  mpiOfLauncher,
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
import { standInForMpi } from './mpi-stand-in.ts';
import { SelfCommunicator } from './self-communicator.ts';
import { isMpiSpent, markMpiSpent } from './spent-mpi.ts';

export interface MpiState {
  readonly launcher: Launcher;
  /** Undefined when MPI is not used. */
  readonly addon: MpiAddon | undefined;
  readonly environment: MpiEnvironment | undefined;
  readonly world: NativeCommunicator;
  /** The ranks of `world` on this compute node. */
  readonly node: NativeCommunicator;
  /** Why a program cannot use this MPI. */
  readonly problem: WallaError | undefined;
}

const KEY = Symbol.for('walla.mpi');
const shared = nodeModule as { [KEY]?: MpiState };

const MESSAGE_MS = 500;
const FALLBACK_START_MS = 60_000;

const ALONE: Launcher = {
  kind: 'none',
  rank: 0,
  size: 1,
  localRank: undefined,
  mpi: undefined,
  release: false,
};

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
  return ALONE;
}

/**
 * The launcher, and what is wrong with WALLA_MPI on this rank. Where the launcher leaves no doubt which MPI
 * it takes to reach the other ranks, that one is used to tell them.
 */
function chooseMpi(env: Environment): { launcher: Launcher; complaint?: WallaError } {
  const certain = mpiOfLauncher(env);
  try {
    const launcher = ownLauncher(env);
    const { mpi } = launcher;
    if (certain === undefined || mpi === undefined || mpi === certain) return { launcher };
    const complaint = new WallaError(
      'ERR_WALLA_MPI_MISMATCH',
      `WALLA_MPI is "${mpi}", but the job was started by ${describeLauncher(launcher)}`,
    );
    return { launcher: { ...launcher, mpi: certain }, complaint };
  } catch (error) {
    const complaint = WallaError.from(error);
    if (certain === undefined || complaint.code !== 'ERR_WALLA_OPTION') throw complaint;
    return { launcher: ownLauncher({ ...env, WALLA_MPI: undefined }), complaint };
  }
}

function alone(launcher: Launcher, problem?: WallaError): MpiState {
  return {
    launcher,
    addon: undefined,
    environment: undefined,
    world: new SelfCommunicator(),
    node: new SelfCommunicator(),
    problem,
  };
}

function open(env: Environment): MpiState {
  const { launcher, complaint } = chooseMpi(env);
  if (launcher.mpi === undefined) return alone(launcher, wantOfServer(launcher, env));
  const endsTogether = mpiOfLauncher(env) !== undefined;
  let addon: MpiAddon;
  let problem = complaint;
  let missing: WallaError | undefined;
  try {
    addon = loadMpiAddon(launcher.mpi, launcher);
  } catch (error) {
    problem = missing = WallaError.from(error);
    // Where the end of this rank would end the job, it need not tell the others, unless all are to run on unstaged.
    const tells = !endsTogether || env['WALLA_ON_ERROR'] === 'fallback';
    const standIn = tells ? standInForMpi(launcher.mpi) : undefined;
    if (!standIn) return withoutAddon(launcher, missing, env);
    addon = standIn;
  }
  if (isMpiSpent(env, addon)) {
    const problem = new WallaError(
      'ERR_WALLA_MPI',
      'an earlier program of this rank has used MPI, which a rank can do once',
      { hint: 'start each program that uses MPI by a mpirun of its own' },
    );
    return alone(ALONE, problem);
  }
  try {
    watchStart(addon, launcher, env);
    const environment = addon.initialize();
    addon.watch(0, '', -1);
    process.env[OWNER_VARIABLE] = String(process.pid);
    markMpiSpent(env);
    const world = addon.world();
    if (launcher.size !== undefined && launcher.size !== world.size) {
      // Each process may be a world of its own; nobody waits for this one.
      addon.failQuietly();
      throw new WallaError(
        'ERR_WALLA_MPI_MISMATCH',
        `the job was started by ${describeLauncher(launcher)}, but MPI says size ${world.size}: ${environment.library}`,
      );
    }
    const node = world.splitByNode();
    if (!endsTogether && nobodyHasAddon(world, missing))
      return withoutAddon(launcher, missing, env);
    return { launcher, addon, environment, world, node, problem };
  } catch (error) {
    throw WallaError.from(error, 'ERR_WALLA_MPI');
  }
}

/**
 * Collective, under launchers that let a rank end without the others. Whether it is for want of an addon on every rank
 * that this one has none.
 */
function nobodyHasAddon(
  world: NativeCommunicator,
  missing: WallaError | undefined,
): missing is WallaError {
  const addons = Float64Array.of(missing ? 0 : 1);
  world.allreduce(addons, 'sum', true);
  return addons[0] === 0;
}

/**
 * srun, PALS and Flux offer MPI to every program, whatever it is; mpirun starts MPI programs. Where the launcher is none
 * of those, and nobody has asked for an MPI by WALLA_MPI, its absence is no error.
 */
function withoutAddon(launcher: Launcher, missing: WallaError, env: Environment): MpiState {
  const isWanted = !['', 'release', undefined].includes(env['WALLA_MPI']);
  if (isWanted || mpiOfLauncher(env) !== undefined) throw missing;
  return aloneForWantOfMpi(launcher, missing);
}

/** Ranks that know of each other, and cannot reach each other: a program that uses MPI must not take itself for one rank. */
function wantOfServer({ kind, size = 1 }: Launcher, env: Environment): WallaError | undefined {
  if (kind !== 'slurm' || size === 1 || env['WALLA_MPI'] === 'off') return undefined;
  return new WallaError('ERR_WALLA_MPI', `srun started ${size} ranks without MPI for them`, {
    hint: 'say srun --mpi=pmix (Open MPI) or --mpi=pmi2 (MPICH), or set WALLA_MPI=off to make each a world of its own',
  });
}

/** Staging does without; a program that uses MPI gets the error. */
function aloneForWantOfMpi(launcher: Launcher, problem: WallaError): MpiState {
  if (launcher.rank === 0)
    writeSync(2, `walla: staging without MPI, one copy a node: ${problem.message}\n`);
  return alone(ALONE, problem);
}

/** MPI_Init waits for ever for a rank that does not come. */
function watchStart(addon: MpiAddon, launcher: Launcher, env: Environment): void {
  // A rank that cannot load MPI and falls back never comes, and cannot say so.
  const longestMs = env['WALLA_ON_ERROR'] === 'fallback' ? FALLBACK_START_MS : Infinity;
  const timeoutMs = Math.min(patienceMs(env) || Infinity, longestMs);
  if (timeoutMs === Infinity) return;
  const error = new WallaError(
    'ERR_WALLA_TIMEOUT',
    `MPI has not started after ${timeoutMs / 1000} s: another rank has not come so far, or has stopped`,
    { rank: launcher.rank, host: hostname() },
  );
  addon.watch(timeoutMs + stagger(launcher.rank), error.report(), hydraFd(env));
}

/** Ranks give up one after the other, so that the first one's message is the only one; milliseconds. */
export function stagger(rank: number): number {
  return Math.min(rank, 3) * 2000;
}

/** How long this rank waits for others, in milliseconds; 0: for ever. */
export function patienceMs(env: Environment): number {
  try {
    return readTimeout(env);
  } catch {
    return 0; // said once the ranks can agree on it
  }
}

function state(env: Environment): MpiState {
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
 * MPI, or what stands for it without a launcher. The first call is collective: it initializes MPI.
 * @throws WallaError ERR_WALLA_MPI on a worker thread, if MPI cannot be used, or an earlier program of this
 *   rank has used it; ERR_WALLA_MPI_MISMATCH if the launcher belongs to another MPI; ERR_WALLA_OPTION if
 *   WALLA_MPI is wrong
 */
export function openMpi(env: Environment = process.env): MpiState {
  const found = state(env);
  if (found.problem) throw found.problem;
  return found;
}

/** For staging: as openMpi, but what is wrong on this rank alone is left for the ranks to agree on. */
export function openStagingMpi(env: Environment = process.env): MpiState {
  return state(env);
}

/** Whether MPI was started, so that other ranks may be waiting for this one. Starts nothing. */
export function isMpiUp(): boolean {
  return shared[KEY]?.environment !== undefined;
}

/**
 * Ends the job of a rank that fails before MPI is up, when the others may be waiting for it in MPI_Init.
 * Other launchers do so when they see the exit status; Hydra does not.
 */
export function abortBeforeMpi(env: Environment): void {
  const fd = hydraFd(env);
  if (fd < 0) return;
  // Hydra drops what it has not read of a job that it ends: let it read the message first.
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, MESSAGE_MS);
  try {
    // PMI-1, which Hydra speaks, is lines of text.
    writeSync(fd, 'cmd=abort exitcode=1\n');
  } catch {
    // It has hung up: then nobody waits.
  }
}

/** The socket of Hydra's server; -1 where another launcher started this rank. */
function hydraFd(env: Environment): number {
  const fd = env['PMI_FD'];
  return mpiOfLauncher(env) === 'mpich' && fd !== undefined && /^\d+$/.test(fd) ? Number(fd) : -1;
}

/** Ends this process with a report after so many milliseconds, unless called again; 0: no more. */
export function watchMpi(ms: number, report: string): void {
  shared[KEY]?.addon?.watch(ms, report, hydraFd(process.env));
}

/** Finalizes MPI for good, if walla initialized it; collective. Without MPI it does nothing. */
export function releaseMpi(): void {
  const { addon } = state(process.env);
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
