/** Which launcher started this process, read from the environment alone: no MPI, no file system. */

import { WallaError } from '../stage/errors.ts';
import { nearMiss } from './near-miss.ts';

/** An MPI that walla has an addon for. Programs of one do not work under the launcher of the other. */
export type MpiAbi = 'openmpi' | 'mpich';

export type LauncherKind = 'openmpi' | 'mpich' | 'pmix' | 'slurm' | 'none';

export interface Launcher {
  /** Who set the variables: Open MPI's mpirun, a PMI server (Hydra, PALS, Flux), a PMIx server, srun, nobody. */
  kind: LauncherKind;
  /** Rank in the job; 0 without a launcher. */
  rank: number;
  /** Ranks in the job; 1 without a launcher, undefined where the launcher does not say (PMIx alone). */
  size: number | undefined;
  /** Rank among the processes of this node, where the launcher says so. */
  localRank: number | undefined;
  /** The MPI to load; undefined: none. */
  mpi: MpiAbi | undefined;
  /** Finalize MPI right after staging (WALLA_MPI=release). */
  release: boolean;
}

export type Environment = Readonly<Record<string, string | undefined>>;

const CHOICES = ['openmpi', 'mpich', 'off', 'release'] as const;
type Choice = (typeof CHOICES)[number];

/** Slurm numbers its batch, extern and interactive steps from here: those start one shell, not ranks. */
const FIRST_SPECIAL_STEP = 0xfffffff0;

function readNumber(env: Environment, ...names: string[]): number | undefined {
  for (const name of names) {
    const text = env[name];
    if (text !== undefined && /^\d{1,10}$/.test(text)) return Number(text);
  }
  return undefined;
}

function readChoice(env: Environment): Choice | undefined {
  const given = env['WALLA_MPI'];
  if (given === undefined || given === '') return undefined;
  const choice = CHOICES.find((name) => name === given);
  if (choice !== undefined) return choice;
  throw new WallaError(
    'ERR_WALLA_OPTION',
    `WALLA_MPI is "${given}", which is none of ${CHOICES.join(', ')}${nearMiss(given, CHOICES)}`,
  );
}

type Place = Pick<Launcher, 'rank' | 'size' | 'localRank'>;

/** Rank and size if both variables are there and make sense together. */
function place(
  env: Environment,
  rankNames: string[],
  sizeNames: string[],
  localRankNames: string[],
): Place | undefined {
  const rank = readNumber(env, ...rankNames);
  const size = readNumber(env, ...sizeNames);
  if (rank === undefined || (size !== undefined && rank >= size)) return undefined;
  return { rank, size, localRank: readNumber(env, ...localRankNames) };
}

function find(env: Environment): Omit<Launcher, 'release'> {
  // From the innermost launcher outwards: mpirun inside a Slurm step sees Slurm's variables too.
  const openMpi = place(
    env,
    ['OMPI_COMM_WORLD_RANK'],
    ['OMPI_COMM_WORLD_SIZE'],
    ['OMPI_COMM_WORLD_LOCAL_RANK'],
  );
  if (openMpi?.size !== undefined) return { kind: 'openmpi', ...openMpi, mpi: 'openmpi' };

  const step = readNumber(env, 'SLURM_STEP_ID', 'SLURM_STEPID');
  const inStep = step !== undefined && step < FIRST_SPECIAL_STEP;

  const pmi = place(
    env,
    ['PMI_RANK'],
    ['PMI_SIZE'],
    [
      'MPI_LOCALRANKID',
      'PMI_LOCAL_RANK',
      'PALS_LOCAL_RANKID',
      'FLUX_TASK_LOCAL_ID',
      ...(inStep ? ['SLURM_LOCALID'] : []),
    ],
  );
  if (pmi?.size !== undefined) {
    // In a step and not below Hydra: srun's own PMI-2 server set them.
    const bySlurm = inStep && env['MPI_LOCALRANKID'] === undefined;
    return { kind: bySlurm ? 'slurm' : 'mpich', ...pmi, mpi: 'mpich' };
  }

  const pmix = place(
    env,
    ['PMIX_RANK'],
    inStep ? ['SLURM_STEP_NUM_TASKS', 'SLURM_NTASKS'] : [],
    inStep ? ['SLURM_LOCALID'] : [],
  );
  if (pmix !== undefined) return { kind: 'pmix', ...pmix, mpi: 'openmpi' };

  // A batch script or the shell of salloc has SLURM_PROCID or SLURM_NTASKS too, but is no step.
  const slurm = inStep
    ? place(env, ['SLURM_PROCID'], ['SLURM_STEP_NUM_TASKS', 'SLURM_NTASKS'], ['SLURM_LOCALID'])
    : undefined;
  // srun without a PMI server: ranks that know their numbers but cannot start MPI.
  if (slurm?.size !== undefined) return { kind: 'slurm', ...slurm, mpi: undefined };

  return { kind: 'none', rank: 0, size: 1, localRank: undefined, mpi: undefined };
}

/**
 * Reads who started this process.
 * @param env usually `process.env`; `WALLA_MPI` in it overrides which MPI to load
 * @throws WallaError ERR_WALLA_OPTION if WALLA_MPI is none of openmpi, mpich, off, release
 */
export function detectLauncher(env: Environment): Launcher {
  const choice = readChoice(env);
  const launcher = find(env);
  const release = choice === 'release';
  if (choice === 'off') return { ...launcher, mpi: undefined, release };
  if (choice === 'openmpi' || choice === 'mpich') return { ...launcher, mpi: choice, release };
  return { ...launcher, release };
}

/** This process's rank as the launcher says it, whatever WALLA_MPI is; 0 without a launcher. */
export function launchedRank(env: Environment): number {
  return find(env).rank;
}

/** The number of ranks as the launcher says it; undefined where it does not. */
export function launchedSize(env: Environment): number | undefined {
  return find(env).size;
}

/** Rank among the processes of this node, where the launcher says it. */
export function detectLocalRank(env: Environment): number | undefined {
  return find(env).localRank;
}

/**
 * The one MPI whose programs this launcher can start, where there is no doubt: only mpirun itself sets these.
 * Others (srun, PMIx servers) serve several.
 */
export function mpiOfLauncher(env: Environment): MpiAbi | undefined {
  const { kind, mpi } = find(env);
  if (kind === 'openmpi') return mpi;
  return kind === 'mpich' && env['MPI_LOCALRANKID'] !== undefined ? mpi : undefined;
}

const NAMES: Record<LauncherKind, string> = {
  openmpi: "Open MPI's mpirun",
  mpich: 'a PMI launcher (MPICH, Intel MPI, Cray, Flux)',
  pmix: 'a PMIx launcher',
  slurm: 'srun',
  none: 'no launcher',
};

/** A launcher's name for messages, with the number of ranks it started. */
export function describeLauncher(launcher: Launcher): string {
  const ranks = launcher.size === undefined ? '' : ` with size ${launcher.size}`;
  return NAMES[launcher.kind] + ranks;
}

/** By prefix, since the launchers' servers and proxies add names of their own. */
const VARIABLES =
  /^(OMPI_|OPAL_|ORTE_|PRTE_|PMIX_|PMI_|PMI2_|PALS_|HYDRA_|HYDI_|MPI_LOCAL|FLUX_TASK_|SLURM_(STEP|PROCID|LOCALID|TASK_PID|PMI))/;

/**
 * Names of the variables that make a process a rank. A child process started without them takes
 * itself for a program of its own.
 */
export function launcherVariables(env: Environment): string[] {
  return Object.keys(env).filter((name) => VARIABLES.test(name) || name === OWNER_VARIABLE);
}

/**
 * Holds the id of the process that initialized MPI. Its child processes inherit the launcher's
 * variables, but the rank they describe is taken: in them this variable names another process.
 */
export const OWNER_VARIABLE = '_WALLA_MPI_PROCESS';
