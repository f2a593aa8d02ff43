/** Starts programs under collfs-run on this machine. */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import type { MpiAbi } from '../../native/launcher.ts';
import { cleanEnvironment, mpis, type Outcome } from '../mpi/launch.ts';

const built = fileURLToPath(
  new URL(`../../dist/native/${process.platform}-${process.arch}/`, import.meta.url),
);

/** Why nothing can be staged here; false if it can. */
export function stageSkip(abi: MpiAbi): string | false {
  const needed = ['libcollfs-audit.so', `collfs-stage-${abi}`];
  const missing = needed.find((name) => !existsSync(join(built, name)));
  if (missing !== undefined) return `${missing} is not built`;
  return mpis.find((mpi) => mpi.abi === abi)?.skip ?? false;
}

export const auditLibrary = join(built, 'libcollfs-audit.so');

/** The words that run a command with the libraries below the paths staged, by a job of two ranks. */
export function collfsRunWords(abi: MpiAbi, paths: string[], command: string[]): string[] {
  const mpi = mpis.find((one) => one.abi === abi);
  if (mpi === undefined) throw new Error(`no launcher of ${abi}`);
  // Without tags: the first line of the stage is read.
  const args = abi === 'openmpi' ? ['--allow-run-as-root', '--oversubscribe'] : [];
  const nodes = [mpi.command, ...args, '-n', '2'].join(' ');
  const asked = paths.flatMap((path) => ['--path', path]);
  return [join(built, 'collfs-run'), '--mpi', abi, '--nodes', nodes, ...asked, '--', ...command];
}

/** Runs one process of a command in that way. */
export function collfsRun(
  abi: MpiAbi,
  paths: string[],
  command: string[],
  env: NodeJS.ProcessEnv = {},
): Outcome {
  const [run = '', ...args] = collfsRunWords(abi, paths, command);
  const { status, signal, stdout, stderr } = spawnSync(run, args, {
    encoding: 'utf8',
    env: { ...cleanEnvironment(), ...env },
    timeout: 60_000,
  });
  return { status, signal, stdout, stderr };
}
