/** Which launchers and MPI libraries are here, and whether they belong together. */
import { spawnSync } from 'node:child_process';
import { existsSync, realpathSync } from 'node:fs';
import { addonPath } from '../../native/addon-path.ts';
import type { MpiAbi } from '../../native/launcher.ts';
import { chooseLauncher, type Family, findCommand } from '../run/launcher-command.ts';
import type { Check, Subject } from './check.ts';

const ABIS: Record<MpiAbi, { name: string; packages: string }> = {
  openmpi: { name: 'Open MPI', packages: 'libopenmpi-dev' },
  mpich: { name: 'MPICH', packages: 'libmpich-dev' },
};
const LAUNCHERS = ['mpirun', 'mpiexec', 'mpirun.openmpi', 'mpirun.mpich', 'srun', 'flux'];
const NEEDS: Partial<Record<Family, MpiAbi>> = { openmpi: 'openmpi', hydra: 'mpich' };
const TIMEOUT_MS = 30_000;

export interface MpiLibrary {
  abi: MpiAbi;
  built: boolean;
  /** The MPI library that the addon loads; undefined if it does not load. */
  library: string | undefined;
  problem: string | undefined;
}

/** Loads an addon in a process of its own: two MPIs do not fit into one. */
export function findLibrary(abi: MpiAbi): MpiLibrary {
  const path = addonPath(`mpi-${abi}`);
  if (!existsSync(path)) return { abi, built: false, library: undefined, problem: 'not built' };
  const code = `process.dlopen({ exports: {} }, ${JSON.stringify(path)});
    const maps = require('fs').readFileSync('/proc/self/maps', 'utf8');
    process.stdout.write(/\\/\\S*libmp(?:i|ich)\\S*\\.so\\S*/.exec(maps)?.[0] ?? '');`;
  const { status, stdout, stderr } = spawnSync(process.execPath, ['-e', code], {
    encoding: 'utf8',
    timeout: TIMEOUT_MS,
    env: { PATH: process.env['PATH'], LD_LIBRARY_PATH: process.env['LD_LIBRARY_PATH'] },
  });
  if (status === 0) return { abi, built: true, library: stdout, problem: undefined };
  const problem = /^Error: (.*)$/m.exec(stderr)?.[1] ?? `does not load (${status ?? '?'})`;
  return { abi, built: true, library: undefined, problem };
}

export function checkLibraries(libraries: readonly MpiLibrary[]): Check {
  const name = 'MPI libraries';
  const data = { libraries };
  const told = libraries.map(({ abi, built, library, problem }) => {
    if (library !== undefined) return `${ABIS[abi].name}: ${library}`;
    return `${ABIS[abi].name}: ${built ? (problem ?? '') : 'addon not built'}`;
  });
  const found = told.join('; ');
  if (libraries.some(({ library }) => library !== undefined))
    return { name, status: 'ok', found, data };
  const packages = Object.values(ABIS).map(({ packages }) => packages);
  return {
    name,
    status: 'warns',
    found: `${found}. Without MPI each node reads the archive once, by the file transport`,
    hint: `load the module of your MPI, or install one (Debian: ${packages.join(' or ')}) and npm run build`,
    data,
  };
}

/** The launchers on PATH; the one that `walla run -n` takes has to fit, and to start. */
export function checkLaunchers({ env }: Subject, libraries: readonly MpiLibrary[]): Check[] {
  const found = LAUNCHERS.flatMap((command) => {
    const path = findCommand(command, env);
    return path === undefined ? [] : [{ command, path }];
  });
  if (found.length === 0)
    return [
      {
        name: 'launchers',
        status: 'ok',
        found: 'none on PATH: programs run alone',
        hint: 'load the module of your MPI or scheduler to start ranks',
        data: { launchers: [] },
      },
    ];
  const seen = new Set<string>();
  const launchers = found
    .filter(({ path }) => !seen.has(realpathSync(path)) && seen.add(realpathSync(path)))
    .map(({ command, path }) => {
      const words = command === 'flux' ? [command, 'run'] : [command];
      const { family } = chooseLauncher(words.join(' '), undefined, env);
      return { command, path, family };
    });
  return launchers.map((launcher, index) => checkLauncher(launcher, index === 0, libraries));
}

function checkLauncher(
  { command, path, family }: { command: string; path: string; family: Family },
  isFirst: boolean,
  libraries: readonly MpiLibrary[],
): Check {
  const name = `launcher ${command}`;
  const abi = NEEDS[family];
  const data = { path, family, mpi: abi };
  if (abi === undefined)
    return { name, status: 'ok', found: `${path} (${family}): MPI is chosen by its PMI`, data };
  const title = `${path} is ${ABIS[abi].name}'s`;
  const library = libraries.find((candidate) => candidate.abi === abi);
  if (library?.library === undefined)
    return {
      name,
      status: isFirst ? 'stops' : 'warns',
      found: `${title}, but walla's addon for it ${library?.built ? `does not load: ${library.problem ?? ''}` : 'is not built'}`,
      hint: `install ${ABIS[abi].packages} and npm run build, make its library visible (module load), or WALLA_MPI=off`,
      data,
    };
  const { status, stderr } = spawnSync(path, ['-n', '1', process.execPath, '-e', '0'], {
    encoding: 'utf8',
    timeout: TIMEOUT_MS,
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  if (status === 0)
    return { name, status: 'ok', found: `${title}, starts, and has its addon`, data };
  const why = stderr.split('\n').find((line) => /\w{3}/.test(line)) ?? `status ${status ?? '?'}`;
  const asRoot = stderr.includes('allow-run-as-root');
  return {
    name,
    status: isFirst ? 'stops' : 'warns',
    found: `${title}, but does not start a process: ${why.trim()}`,
    hint: asRoot
      ? 'run as another user, or walla run --launcher "mpirun --allow-run-as-root" -n 4 -- node app.mjs'
      : `try it alone: ${command} -n 1 hostname`,
    data,
  };
}
