/** Commands that start ranks: which one to take, and how each starts one process per node. */
import { execFileSync } from 'node:child_process';
import { accessSync, constants, readFileSync } from 'node:fs';
import { basename, delimiter, join } from 'node:path';
import { WallaError } from '../errors.ts';
import { shellWords } from './shell-words.ts';

type Environment = Readonly<Record<string, string | undefined>>;

export type Family = 'none' | 'openmpi' | 'hydra' | 'srun' | 'flux' | 'other';

export interface LauncherCommand {
  family: Family;
  /** The command and its options, as given; none to run alone. */
  words: string[];
  /** How many ranks, where that was asked for. */
  ranks: number | undefined;
}

/**
 * @param launcher words of --launcher, 'none', or undefined to choose
 * @throws WallaError ERR_WALLA_USAGE when ranks are asked for and there is nothing to start them
 */
export function chooseLauncher(
  launcher: string | undefined,
  ranks: number | undefined,
  env: Environment,
): LauncherCommand {
  const alone: LauncherCommand = { family: 'none', words: [], ranks: undefined };
  if (launcher !== undefined) {
    const words = launcher === 'none' ? [] : shellWords(launcher);
    const [command] = words;
    if (command === undefined) return alone;
    return { family: familyOf(command, words), words, ranks };
  }
  if (ranks === undefined) return alone;
  const words = ['mpirun', 'mpiexec']
    .map((name) => [name])
    .concat(env['SLURM_JOB_ID'] ? [['srun']] : [], env['FLUX_URI'] ? [['flux', 'run']] : [])
    .find(([name = '']) => findCommand(name, env) !== undefined);
  if (words) return { family: familyOf(words[0] ?? '', words), words, ranks };
  if (ranks === 1) return alone;
  throw new WallaError(
    'ERR_WALLA_USAGE',
    `${ranks} ranks need a launcher, and neither mpirun nor mpiexec is on PATH`,
    { hint: 'load the module that has one, or name it: walla run --launcher "srun -N 2" -n 4 ...' },
  );
}

/** Absolute path of a command on PATH. */
export function findCommand(name: string, env: Environment): string | undefined {
  const places = name.includes('/')
    ? [name]
    : (env['PATH'] ?? '').split(delimiter).map((directory) => join(directory, name));
  return places.find((path) => {
    try {
      accessSync(path, constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

function familyOf(command: string, words: readonly string[]): Family {
  const name = basename(command);
  if (name === 'srun') return 'srun';
  if (name === 'flux') return words[1] === 'run' ? 'flux' : 'other';
  if (/openmpi|^orterun$|^prterun$/.test(name)) return 'openmpi';
  if (/mpich|hydra/.test(name)) return 'hydra';
  return /^mpi(run|exec)/.test(name) ? askFamily(command) : 'other';
}

/** `mpirun` is a name of several commands: it says itself which one it is. */
function askFamily(command: string): Family {
  let said: string;
  try {
    said = execFileSync(command, ['--version'], { encoding: 'utf8', timeout: 20_000 });
  } catch {
    return 'other';
  }
  if (/Open MPI|OpenRTE|PRRTE/i.test(said)) return 'openmpi';
  return /hydra|intel/i.test(said) ? 'hydra' : 'other';
}

/** The words in front of the program. Only Open MPI needs to be told which variables go along to other nodes. */
export function rankWords(
  { family, words, ranks }: LauncherCommand,
  variables: readonly string[],
): string[] {
  const count = ranks === undefined || words.length === 0 ? [] : ['-n', String(ranks)];
  return [...words, ...count, ...exported(family, variables)];
}

function exported(family: Family, variables: readonly string[]): string[] {
  return family === 'openmpi' ? variables.flatMap((name) => ['-x', name]) : [];
}

/** Options of each launcher that say how many ranks there are and where, with the number of words behind them. */
const PLACING: Partial<Record<Family, Record<string, number>>> = {
  openmpi: {
    '-n -np --np -c -N -npernode --npernode -npersocket --npersocket': 1,
    '--map-by -map-by --rank-by -rank-by --bind-to -bind-to': 1,
    '-pernode --pernode -bynode --bynode -byslot --byslot': 0,
  },
  hydra: { '-n -np -ppn -perhost -bind-to -map-by': 1 },
  srun: { '-n --ntasks --ntasks-per-node --ntasks-per-core --ntasks-per-socket': 1 },
  flux: { '-n --ntasks -N --nodes --tasks-per-node': 1 },
};

/**
 * The words that start one process on each node that the job may use.
 * @returns why not, where walla does not know how
 */
export function perNodeWords(
  launcher: LauncherCommand,
  variables: readonly string[],
  env: Environment,
): string[] | { whyNot: string } {
  const { family, words } = launcher;
  const rest = withoutPlacing(family, words);
  const tail = exported(family, variables);
  if (family === 'none') return [];
  if (family === 'openmpi') return [...rest, '--map-by', 'ppr:1:node', ...tail];
  if (family === 'hydra') return [...rest, '-ppn', '1', '-n', String(hydraHosts(words, env))];
  if (family === 'srun') {
    if (env['SLURM_JOB_ID'] === undefined)
      return { whyNot: 'outside of an allocation each srun may get other nodes' };
    const nodes = valueOf(words, '-N', '--nodes') ?? env['SLURM_JOB_NUM_NODES'] ?? '1';
    const inWords = valueOf(words, '-N', '--nodes') !== undefined;
    return [...rest, ...(inWords ? [] : ['-N', nodes]), '-n', nodes, '--ntasks-per-node=1'];
  }
  if (family === 'flux') {
    const nodes = valueOf(words, '-N', '--nodes');
    if (nodes !== undefined) return [...rest, '-N', nodes, '-n', nodes];
    return { whyNot: 'flux run does not say how many nodes it takes without -N' };
  }
  return { whyNot: `walla does not know how ${words[0] ?? ''} starts one process per node` };
}

function withoutPlacing(family: Family, words: readonly string[]): string[] {
  const options = new Map<string, number>();
  for (const [names, values] of Object.entries(PLACING[family] ?? {}))
    for (const name of names.split(' ')) options.set(name, values);
  const kept: string[] = [];
  for (let at = 0; at < words.length; at++) {
    const word = words[at] ?? '';
    const values = options.get(word);
    if (values !== undefined) at += values;
    else if (!isJoined(word, options)) kept.push(word);
  }
  return kept;
}

/** `--ntasks=4` and `-n4`. */
function isJoined(word: string, options: ReadonlyMap<string, number>): boolean {
  const long = /^(--[\w-]+)=/.exec(word)?.[1];
  const short = /^(-[a-zA-Z])\d+$/.exec(word)?.[1];
  return options.has(long ?? short ?? '');
}

function valueOf(words: readonly string[], ...names: string[]): string | undefined {
  for (const [at, word] of words.entries()) {
    if (names.includes(word)) return words[at + 1];
    const [, name = '', value] = /^(--[\w-]+|-[a-zA-Z](?=\d))=?(.*)$/.exec(word) ?? [];
    if (names.includes(name) && value !== undefined && value !== '') return value;
  }
  return undefined;
}

/** Hydra starts as many processes as it is told, so the hosts have to be counted. */
function hydraHosts(words: readonly string[], env: Environment): number {
  const listed = valueOf(words, '-hosts', '-host', '--hosts', '--host');
  if (listed !== undefined) return distinct(listed.split(','));
  const file =
    valueOf(words, '-f', '-hostfile', '-machinefile', '--hostfile') ?? env['HYDRA_HOST_FILE'];
  if (file !== undefined) {
    try {
      const lines = readFileSync(file, 'utf8').split('\n');
      return distinct(lines.map((line) => line.replace(/#.*/, '').trim().split(/\s/)[0] ?? ''));
    } catch {
      return 1; // the launcher will say what is wrong with it
    }
  }
  return Number(env['SLURM_JOB_NUM_NODES'] ?? env['PBS_NUM_NODES'] ?? 1);
}

function distinct(hosts: readonly string[]): number {
  const names = hosts.map((host) => host.replace(/:\d+$/, '').trim()).filter((name) => name !== '');
  return Math.max(1, new Set(names).size);
}
