/** What setup, test and demo share: running programs, finding them, installing npm packages. */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { accessSync, constants, existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));

/** True if a program of this name is in PATH. */
export function has(program) {
  return (process.env.PATH ?? '').split(path.delimiter).some((directory) => {
    try {
      accessSync(path.join(directory, program), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

export function say(text) {
  console.log(text);
}

/** Runs a program with this terminal as its own. Returns its exit code. */
export function run(command, args, options = {}) {
  const result = spawnSync(command, args, { cwd: root, stdio: 'inherit', ...options });
  if (result.error) say(`${command}: ${result.error.message}`);
  return result.status ?? 1;
}

/** Runs a program and ends this one with its exit code if it fails. */
export function must(command, args, options) {
  const code = run(command, args, options);
  if (code !== 0) process.exit(code);
}

/** Runs a program quietly. Returns its output, or undefined if it failed (its output is then shown). */
export function quietly(command, args, options = {}) {
  const result = spawnSync(command, args, {
    cwd: root,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
    ...options,
  });
  if (result.status === 0) return result.stdout;
  say(
    [result.error?.message, result.stdout, result.stderr]
      .filter(Boolean)
      .join('\n')
      .trimEnd()
      .replace(/^/gm, '  | '),
  );
  return undefined;
}

/**
 * `npm ci` in a folder, unless what is installed there is what its lock file asks for.
 * @returns true if all is in place
 */
export function npmCi(folder, ...args) {
  const directory = path.join(root, folder);
  const lock = path.join(directory, 'package-lock.json');
  const modules = path.join(directory, 'node_modules');
  const stamp = path.join(modules, '.walla-lock-digest');
  const digest = createHash('sha256').update(readFileSync(lock)).digest('hex');
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === digest) return true;
  // Somebody may have run npm by hand, which leaves its own record and no stamp.
  const record = path.join(modules, '.package-lock.json');
  if (existsSync(record) && statSync(record).mtimeMs >= statSync(lock).mtimeMs) return true;
  say(`installing npm packages in ${folder}`);
  const options = ['--no-audit', '--no-fund', '--loglevel=error'];
  if (quietly('npm', ['ci', ...options, ...args], { cwd: directory }) === undefined) return false;
  writeFileSync(stamp, digest);
  return true;
}

/**
 * The MPIs whose mpirun is here, each with what it takes to start ranks on this machine.
 * @returns {{name: string, label: string, mpirun: string, env: Record<string, string>}[]}
 */
export function mpis() {
  const found = [];
  if (has('mpirun.openmpi')) {
    found.push({
      name: 'openmpi',
      label: 'Open MPI',
      mpirun: 'mpirun.openmpi',
      env: {
        OMPI_ALLOW_RUN_AS_ROOT: '1',
        OMPI_ALLOW_RUN_AS_ROOT_CONFIRM: '1',
        OMPI_MCA_rmaps_base_oversubscribe: '1',
        OMPI_MCA_hwloc_base_binding_policy: 'none',
        OMPI_MCA_mpi_yield_when_idle: '1',
      },
    });
  }
  if (has('mpirun.mpich')) {
    found.push({ name: 'mpich', label: 'MPICH', mpirun: 'mpirun.mpich', env: {} });
  }
  return found;
}
