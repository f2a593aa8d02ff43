import { spawnSync } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import path from 'node:path';

/** What a test needs beyond the namespaces of a cluster. */
export interface Needs {
  /** The MPI whose mpirun starts jobs; 'none' if the test starts none. */
  mpi?: 'openmpi' | 'mpich' | 'none';
  /** Programs that have to be in PATH. */
  programs?: string[];
}

const PACKAGE_OF: Record<string, string> = {
  unshare: 'util-linux',
  nsenter: 'util-linux',
  setpriv: 'util-linux',
  mount: 'mount',
  hostname: 'hostname',
  ps: 'procps',
  ip: 'iproute2',
  gcc: 'gcc',
  'mpirun.openmpi': 'openmpi-bin',
  'mpicc.openmpi': 'libopenmpi-dev',
  'mpirun.mpich': 'mpich',
  'mpicc.mpich': 'libmpich-dev',
  munged: 'munge',
  slurmctld: 'slurmctld',
  slurmd: 'slurmd',
  srun: 'slurm-client',
};

let namespaceTrial: { problem: string | undefined } | undefined;

/** What is missing for a cluster with these needs, as one sentence; undefined if nothing. */
export function missingFor(needs: Needs): string | undefined {
  if (process.platform !== 'linux') return 'A cluster needs Linux.';
  if (process.geteuid?.() !== 0) return 'A cluster needs root to make network namespaces.';
  const mpi = needs.mpi ?? 'openmpi';
  const programs = ['bash', 'unshare', 'nsenter', 'setpriv', 'mount', 'hostname', 'ps', 'ip'];
  if (mpi !== 'none') programs.push(`mpirun.${mpi}`);
  if (mpi === 'mpich') programs.push('gcc');
  for (const program of [...programs, ...(needs.programs ?? [])]) {
    if (!isInPath(program)) {
      const debian = PACKAGE_OF[program];
      return `A cluster needs ${program}${debian === undefined ? '' : ` (Debian package ${debian})`}.`;
    }
  }
  namespaceTrial ??= { problem: tryNamespaces() };
  return namespaceTrial.problem;
}

function tryNamespaces(): string | undefined {
  // prettier-ignore
  const trial = spawnSync('unshare',
    ['--net', '--uts', '--mount', '--pid', '--fork', '--kill-child', 'bash', '-c',
      'mount -t proc proc /proc && ip link add br0 type bridge && ip link add veth0 type veth peer name veth1'],
    { encoding: 'utf8' });
  if (trial.status === 0) return undefined;
  const why = trial.stderr.trim().split('\n')[0] ?? trial.error?.message ?? '';
  return `A cluster needs namespaces, a bridge and veth links, which are not allowed here: ${why}`;
}

/** True if a program of this name can be started. */
export function isInPath(program: string): boolean {
  return (process.env['PATH'] ?? '').split(path.delimiter).some((directory) => {
    try {
      accessSync(path.join(directory, program), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}
