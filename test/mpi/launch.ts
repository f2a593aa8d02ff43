/** Starts test programs under the MPI launchers of this machine. */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { addonPath } from '../../native/addon-path.ts';
import { launcherVariables, type MpiAbi } from '../../native/launcher.ts';

const programs = fileURLToPath(new URL('programs/', import.meta.url));

export interface Mpi {
  abi: MpiAbi;
  command: string;
  args: string[];
  /** Why its tests cannot run here; false if they can. */
  skip: string | false;
}

/** Absolute path of a command, or undefined. */
export function which(name: string): string | undefined {
  const directories = (process.env['PATH'] ?? '').split(delimiter);
  return directories.map((directory) => join(directory, name)).find((path) => existsSync(path));
}

function describeMpi(abi: MpiAbi, args: string[]): Mpi {
  const command = `mpirun.${abi}`;
  let skip: string | false = false;
  if (which(command) === undefined) skip = `${command} is not installed`;
  else if (!existsSync(addonPath(`mpi-${abi}`))) skip = `the addon for ${abi} is not built`;
  return { abi, command, args, skip };
}

export const mpis: Mpi[] = [
  describeMpi('openmpi', ['--allow-run-as-root', '--oversubscribe', '--tag-output']),
  describeMpi('mpich', ['-prepend-rank']),
];

/** The environment of this process without what would make its children ranks. */
export function cleanEnvironment(): NodeJS.ProcessEnv {
  const env = { ...process.env, NO_COLOR: '1' };
  const unwanted = new Set(launcherVariables(env));
  for (const name of Object.keys(env)) {
    // The test runner's own variable changes what Node.js prints.
    if (name.startsWith('WALLA') || name === 'NODE_TEST_CONTEXT') unwanted.add(name);
  }
  return Object.fromEntries(Object.entries(env).filter(([name]) => !unwanted.has(name)));
}

export interface Outcome {
  status: number | null;
  signal: NodeJS.Signals | null;
  stdout: string;
  stderr: string;
}

export interface LaunchOptions {
  args?: string[];
  env?: NodeJS.ProcessEnv;
}

const TIMEOUT_MS = 120_000;

/** Runs a command to its end, or kills it after two minutes: a hang is a failure with a signal. */
export function run(command: string, args: string[], env: NodeJS.ProcessEnv = {}): Outcome {
  const { status, signal, stdout, stderr } = spawnSync(command, args, {
    env: { ...cleanEnvironment(), ...env },
    encoding: 'utf8',
    // With a pipe there, MPICH's mpirun can die of SIGPIPE while it passes it on to ranks that ended.
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: TIMEOUT_MS,
  });
  return { status, signal, stdout, stderr };
}

/** Node.js arguments that run a program of test/mpi/programs. */
export function programArguments(program: string, args: string[] = []): string[] {
  return ['--import', 'tsx', join(programs, program), ...args];
}

/** Runs a program of test/mpi/programs on so many ranks. */
export function launch(
  mpi: Mpi,
  ranks: number,
  program: string,
  { args = [], env = {} }: LaunchOptions = {},
): Outcome {
  return run(
    mpi.command,
    [...mpi.args, '-np', String(ranks), process.execPath, ...programArguments(program, args)],
    env,
  );
}
