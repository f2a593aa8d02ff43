import assert from 'node:assert/strict';
import { describe, it } from 'node:test';

import { detectLauncher } from '../../native/launcher.ts';
import { loadMpiAddon } from '../../native/mpi-addon.ts';
import { launch, mpis, programArguments, run } from './launch.ts';

describe('MPI is refused', () => {
  for (const mpi of mpis) {
    const other = mpis.find(({ abi }) => abi !== mpi.abi) ?? mpi;
    const skip = mpi.skip || other.skip;

    it(`when ${other.abi} is to run under the mpirun of ${mpi.abi}`, { skip }, () => {
      const { status, stdout } = launch(mpi, 2, 'refusals.ts', { env: { WALLA_MPI: other.abi } });
      assert.notEqual(status, 0);
      assert.match(
        stdout,
        new RegExp(
          `ERR_WALLA_MPI_MISMATCH: WALLA_MPI is "${other.abi}", but the job was started by .*size 2`,
        ),
      );
    });

    const hydra =
      skip || (mpi.abi !== 'mpich' && "only MPICH's launcher can be taken for another one");
    it(`when its size is not that of the launcher, under ${mpi.abi}`, { skip: hydra }, () => {
      const words = [process.execPath, ...programArguments('refusals.ts')];
      const { status, stdout } = run(
        mpi.command,
        [...mpi.args, '-np', '2', 'env', '-u', 'MPI_LOCALRANKID', ...words],
        { WALLA_MPI: other.abi },
      );
      assert.notEqual(status, 0);
      assert.match(
        stdout,
        /ERR_WALLA_MPI_MISMATCH: the job was started by .*size 2, but MPI says size 1: Open MPI v/,
      );
    });

    it(`to worker threads under ${mpi.abi}`, { skip: mpi.skip }, () => {
      const { status, stdout, stderr } = launch(mpi, 2, 'refusals.ts', { args: ['worker'] });
      assert.equal(status, 0, stderr);
      assert.equal(
        stdout.split('ERR_WALLA_MPI: MPI can be used on the main thread only').length,
        3,
      );
    });
  }

  const launched = { PMI_RANK: '0', PMI_SIZE: '2' };

  it('when its addon was not built, and says what to build', () => {
    const launcher = detectLauncher({ PMI_RANK: '0', PMI_SIZE: '2' });
    assert.throws(() => loadMpiAddon('mpich', launcher, '/nowhere/mpi-mpich.node'), {
      code: 'ERR_WALLA_MPI',
      message:
        /started by a PMI launcher .* size 2, .*MPICH cannot be loaded: \/nowhere\/mpi-mpich.node was not built/,
      hint: /libmpich-dev.*npm run build.*WALLA_MPI=off/,
    });
  });

  it('when WALLA_MPI is misspelt', () => {
    const { stdout } = run(process.execPath, programArguments('refusals.ts'), {
      WALLA_MPI: 'mpitch',
    });
    assert.match(stdout, /ERR_WALLA_OPTION: WALLA_MPI is "mpitch".*did you mean "mpich"\?/);
  });

  it('but a size of 1 is had with WALLA_MPI=off', () => {
    const { stdout } = run(process.execPath, programArguments('refusals.ts'), {
      ...launched,
      WALLA_MPI: 'off',
    });
    assert.match(stdout, /size 1/);
  });

  it('when the process has replaced itself since it used MPI', () => {
    // exec keeps the process id, as a shell that becomes Node.js does.
    const { stdout } = run(
      'sh',
      [
        '-c',
        'export _WALLA_MPI_PROCESS=$$; exec "$0" "$@"',
        process.execPath,
        ...programArguments('refusals.ts'),
      ],
      launched,
    );
    assert.match(stdout, /ERR_WALLA_MPI: MPI was already used in this process/);
  });
});
