/** Reads every WALLA_* variable, so that a misspelt one is an error and not a surprise. */
import { nearMiss } from '../native/near-miss.ts';
import { WallaError } from './errors.ts';
import type { TransportName } from './transport/transport.ts';

export interface StageOptions {
  /** Path or URL of the archive; undefined: the cache beside the entry. */
  archive: string | undefined;
  /** Staging directory's parent; undefined: chosen. */
  directory: string | undefined;
  /** Leave the image for the next job step. */
  keep: boolean;
  /** What to do when staging fails. */
  onError: 'stop' | 'fallback';
  /** How the source tree is compared with the archive. */
  stale: 'check' | 'lockfile' | 'use';
  /** Say what staging did, one line a job, on stderr. */
  verbose: boolean;
  /** Whether fs reads are answered from the image. */
  shadow: boolean;
  /** Path of the report of what the archive lacks; undefined: none is kept. */
  report: string | undefined;
  /** How the image gets to the nodes. */
  transport: TransportName | 'auto';
  /** Directory that holds the user's directory of downloads; 'off': none are kept; undefined: chosen. */
  downloads: string | undefined;
  /** How long the server of an archive may be silent. */
  httpTimeoutMs: number;
}

type Environment = Record<string, string | undefined>;

/** Variables and the values they take; undefined: any text. `docs/environment.md` explains each. */
const VARIABLES: Record<string, readonly string[] | undefined> = {
  WALLA: ['on', 'off'],
  WALLA_ARCHIVE: undefined,
  WALLA_ATTACH: undefined,
  WALLA_DIR: undefined,
  WALLA_DOWNLOADS: undefined,
  WALLA_FAULT: undefined,
  WALLA_HTTP_TIMEOUT: undefined,
  WALLA_KEEP: ['0', '1'],
  WALLA_MPI: ['openmpi', 'mpich', 'off', 'release'],
  WALLA_ON_ERROR: ['stop', 'fallback'],
  WALLA_REPORT: undefined,
  WALLA_SHADOW: ['on', 'off'],
  WALLA_STALE: ['check', 'lockfile', 'use'],
  WALLA_TIMEOUT: undefined,
  WALLA_TRANSPORT: ['auto', 'mpi', 'file', 'http', 'self'],
  WALLA_VERBOSE: ['0', '1'],
  WALLA_RECORD: undefined,
  // Read by the build alone.
  WALLA_MPICC: undefined,
  WALLA_MPICC_OPENMPI: undefined,
  WALLA_MPICC_MPICH: undefined,
  // Read by setup and the tests alone.
  WALLA_SETUP_APT: undefined,
  WALLA_SETUP_MPI: undefined,
  WALLA_TEST_COLLFS: undefined,
  WALLA_TEST_FAULTS: undefined,
  WALLA_TEST_MUTATIONS: undefined,
  WALLA_TEST_NODES: undefined,
  WALLA_CLUSTER_HOSTS: undefined,
};

/** All names, for the docs check. */
export const VARIABLE_NAMES: readonly string[] = Object.keys(VARIABLES);

/** @throws WallaError ERR_WALLA_OPTION for an unknown variable or value */
export function readOptions(env: Environment): StageOptions {
  for (const [name, value] of Object.entries(env)) {
    if (!name.startsWith('WALLA_') || value === undefined) continue;
    if (!Object.hasOwn(VARIABLES, name)) throw unknownVariable(name);
    const values = VARIABLES[name];
    if (values && value !== '' && !values.includes(value))
      throw new WallaError(
        'ERR_WALLA_OPTION',
        `${name} is "${value}", which is none of ${values.join(', ')}${nearMiss(value, values)}`,
      );
  }
  readTimeout(env);
  return {
    archive: given(env['WALLA_ARCHIVE']),
    directory: given(env['WALLA_DIR']),
    keep: env['WALLA_KEEP'] === '1',
    onError: env['WALLA_ON_ERROR'] === 'fallback' ? 'fallback' : 'stop',
    stale: staleOf(env['WALLA_STALE']),
    verbose: env['WALLA_VERBOSE'] === '1',
    shadow: env['WALLA_SHADOW'] !== 'off',
    report: given(env['WALLA_REPORT']),
    transport: (given(env['WALLA_TRANSPORT']) ?? 'auto') as TransportName | 'auto',
    downloads: given(env['WALLA_DOWNLOADS']),
    httpTimeoutMs: readSeconds(env, 'WALLA_HTTP_TIMEOUT', 30) * 1000,
  };
}

function staleOf(value: string | undefined): StageOptions['stale'] {
  return value === 'use' || value === 'lockfile' ? value : 'check';
}

const DEFAULT_TIMEOUT_S = 1800;
/** A day. */
const LONGEST_TIMEOUT_S = 86_400;

/**
 * WALLA_TIMEOUT, in milliseconds.
 * @throws WallaError ERR_WALLA_OPTION
 */
export function readTimeout(env: Environment): number {
  const text = given(env['WALLA_TIMEOUT']) ?? String(DEFAULT_TIMEOUT_S);
  const seconds = /^\d{1,5}$/.test(text) ? Number(text) : NaN;
  if (seconds <= LONGEST_TIMEOUT_S) return seconds * 1000;
  throw new WallaError(
    'ERR_WALLA_OPTION',
    `WALLA_TIMEOUT is "${text}", which is no whole number of seconds from 0 to ${LONGEST_TIMEOUT_S}`,
  );
}

/** An empty variable is as good as none. */
export function given(value: string | undefined): string | undefined {
  return value === '' ? undefined : value;
}

/**
 * How packages and archives are downloaded: the directory for those that are kept, node-local or not, private to the
 * user (undefined: none are), and how long a server may be silent.
 * @throws WallaError ERR_WALLA_OPTION
 */
export function downloadSettings(env: Environment): {
  downloads: string | undefined;
  timeoutMs: number;
} {
  return {
    downloads: downloadsDirectory(given(env['WALLA_DOWNLOADS']), env),
    timeoutMs: readSeconds(env, 'WALLA_HTTP_TIMEOUT', 30) * 1000,
  };
}

/** @param named what WALLA_DOWNLOADS says */
export function downloadsDirectory(
  named: string | undefined,
  env: Environment,
): string | undefined {
  if (named === 'off') return undefined;
  const { XDG_CACHE_HOME: cache, HOME: home } = env;
  const parent = named ?? (cache?.startsWith('/') ? cache : home && `${home}/.cache`);
  return parent && `${parent}/walla-${process.geteuid?.() ?? 0}`;
}

function readSeconds(env: Environment, name: string, standard: number): number {
  const text = given(env[name]);
  if (text === undefined) return standard;
  const seconds = /^\d+(\.\d+)?$/.test(text) ? Number(text) : 0;
  if (seconds >= 0.1 && seconds <= 86_400) return seconds;
  throw new WallaError(
    'ERR_WALLA_OPTION',
    `${name} is "${text}", not a number of seconds from 0.1`,
  );
}

function unknownVariable(name: string): WallaError {
  const text = `${name} is not a variable of walla${nearMiss(name, Object.keys(VARIABLES))}`;
  return new WallaError('ERR_WALLA_OPTION', text);
}
