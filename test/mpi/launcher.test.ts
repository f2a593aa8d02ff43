import assert from 'node:assert/strict';
import { describe, it } from 'node:test';

import {
  detectLauncher,
  launcherVariables,
  type Environment,
  type Launcher,
} from '../../native/launcher.ts';

type Expected = Pick<Launcher, 'kind' | 'rank' | 'size' | 'localRank' | 'mpi'>;

const none: Expected = { kind: 'none', rank: 0, size: 1, localRank: undefined, mpi: undefined };
const openMpi = {
  OMPI_COMM_WORLD_RANK: '3',
  OMPI_COMM_WORLD_SIZE: '4',
  OMPI_COMM_WORLD_LOCAL_RANK: '1',
};
const hydra = { PMI_RANK: '5', PMI_SIZE: '8', PMI_FD: '6', MPI_LOCALRANKID: '1' };
const step = {
  SLURM_JOB_ID: '17',
  SLURM_STEP_ID: '0',
  SLURM_PROCID: '2',
  SLURM_LOCALID: '0',
  SLURM_NTASKS: '6',
  SLURM_STEP_NUM_TASKS: '6',
};

const table: [what: string, env: Environment, expected: Expected][] = [
  ['an empty environment', {}, none],
  [
    "Open MPI's mpirun",
    openMpi,
    { kind: 'openmpi', rank: 3, size: 4, localRank: 1, mpi: 'openmpi' },
  ],
  ["MPICH's Hydra", hydra, { kind: 'mpich', rank: 5, size: 8, localRank: 1, mpi: 'mpich' }],
  [
    "Cray's PALS",
    { PMI_RANK: '1', PMI_SIZE: '2', PALS_LOCAL_RANKID: '0' },
    { kind: 'mpich', rank: 1, size: 2, localRank: 0, mpi: 'mpich' },
  ],
  [
    'Flux',
    { FLUX_TASK_RANK: '1', FLUX_TASK_LOCAL_ID: '1', PMI_RANK: '1', PMI_SIZE: '2' },
    { kind: 'mpich', rank: 1, size: 2, localRank: 1, mpi: 'mpich' },
  ],
  [
    'srun without a PMI server',
    step,
    { kind: 'slurm', rank: 2, size: 6, localRank: 0, mpi: undefined },
  ],
  [
    'srun --mpi=pmi2',
    { ...step, PMI_RANK: '2', PMI_SIZE: '6' },
    { kind: 'slurm', rank: 2, size: 6, localRank: 0, mpi: 'mpich' },
  ],
  [
    'srun --mpi=pmix',
    { ...step, PMIX_RANK: '2', PMIX_NAMESPACE: 'slurm.pmix.17.0' },
    { kind: 'pmix', rank: 2, size: 6, localRank: 0, mpi: 'openmpi' },
  ],
  [
    'a PMIx server alone, which does not tell the size',
    { PMIX_RANK: '2' },
    { kind: 'pmix', rank: 2, size: undefined, localRank: undefined, mpi: 'openmpi' },
  ],
  [
    "Open MPI's mpirun inside a Slurm job, whose daemons srun started",
    { ...step, ...openMpi },
    { kind: 'openmpi', rank: 3, size: 4, localRank: 1, mpi: 'openmpi' },
  ],
  [
    'Hydra inside a Slurm job, whose proxies srun started',
    { ...step, ...hydra },
    { kind: 'mpich', rank: 5, size: 8, localRank: 1, mpi: 'mpich' },
  ],
  [
    'an sbatch script, which is no step',
    { SLURM_JOB_ID: '17', SLURM_PROCID: '0', SLURM_NTASKS: '64' },
    none,
  ],
  ['the shell of salloc', { SLURM_JOB_ID: '17', SLURM_NTASKS: '64' }, none],
  [
    'the shell of salloc where it is an interactive step',
    { ...step, SLURM_STEP_ID: '4294967290', SLURM_PROCID: '0' },
    none,
  ],
  ['numbers that are none', { PMI_RANK: 'x', PMI_SIZE: '8' }, none],
  ['a rank beyond the size', { PMI_RANK: '8', PMI_SIZE: '8' }, none],
  ['half of the variables', { OMPI_COMM_WORLD_RANK: '1' }, none],
  [
    'WALLA_MPI=off under mpirun',
    { ...openMpi, WALLA_MPI: 'off' },
    { kind: 'openmpi', rank: 3, size: 4, localRank: 1, mpi: undefined },
  ],
  [
    'WALLA_MPI=mpich in a step',
    { ...step, WALLA_MPI: 'mpich' },
    { kind: 'slurm', rank: 2, size: 6, localRank: 0, mpi: 'mpich' },
  ],
  ['WALLA_MPI=openmpi without a launcher', { WALLA_MPI: 'openmpi' }, { ...none, mpi: 'openmpi' }],
  ['an empty WALLA_MPI', { WALLA_MPI: '' }, none],
];

describe('the launcher', () => {
  for (const [what, env, expected] of table) {
    it(`is known from ${what}`, () => {
      assert.deepEqual(detectLauncher(env), { ...expected, release: false });
    });
  }

  it('says that MPI is to be released after staging', () => {
    const launcher = detectLauncher({ ...openMpi, WALLA_MPI: 'release' });
    assert.equal(launcher.release, true);
    assert.equal(launcher.mpi, 'openmpi');
  });

  it('is not guessed when WALLA_MPI is misspelt', () => {
    assert.throws(() => detectLauncher({ WALLA_MPI: 'open-mpi' }), {
      code: 'ERR_WALLA_OPTION',
      message: /"open-mpi".*did you mean "openmpi"\?/,
    });
    assert.throws(() => detectLauncher({ WALLA_MPI: 'none of them' }), {
      code: 'ERR_WALLA_OPTION',
      message: /openmpi, mpich, off, release$/,
    });
  });

  it('is not seen by a process started without its variables', () => {
    for (const [, env] of table) {
      const left: Record<string, string | undefined> = { ...env };
      delete left['WALLA_MPI'];
      for (const name of launcherVariables(left)) Reflect.deleteProperty(left, name);
      assert.equal(detectLauncher(left).kind, 'none');
    }
  });
});
