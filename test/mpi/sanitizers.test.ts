import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';

import { mpis, run, which } from './launch.ts';

const root = fileURLToPath(new URL('../../', import.meta.url));
const RANKS = 3;

describe('the C++ of MPI', () => {
  const directory = mkdtempSync(join(tmpdir(), 'walla-mpi-cpp-'));
  after(() => rmSync(directory, { recursive: true }));

  for (const mpi of mpis) {
    const compiler = `mpicxx.${mpi.abi}`;
    const skip = mpi.skip || (which(compiler) === undefined && `${compiler} is not installed`);

    it(
      `is right on ${RANKS} ranks of ${mpi.abi} under address and undefined sanitizers`,
      { skip },
      () => {
        const program = join(directory, mpi.abi);
        const mpiSources = readdirSync(join(root, 'native/src/mpi'))
          .filter((name) => name.endsWith('.cpp'))
          .map((name) => `native/src/mpi/${name}`);
        const common = [
          'fault',
          'mapping',
          'posix_error',
          'sha256',
          'sha256_compress',
          'piece_digest',
          'trailing_hash',
        ];
        const sources = [
          'test/mpi/mpi_test.cpp',
          ...mpiSources,
          ...common.map((name) => `native/src/${name}.cpp`),
        ];
        const build = run(compiler, [
          ...['-std=c++17', '-O1', '-g', '-pthread', '-Wall', '-Wextra', '-Werror'],
          ...['-fsanitize=address,undefined', '-fno-sanitize-recover=all'],
          ...['-DOMPI_SKIP_MPICXX', '-DMPICH_SKIP_MPICXX', '-o', program],
          ...sources.map((source) => join(root, source)),
        ]);
        assert.equal(build.status, 0, build.stderr);
        const { status, stdout, stderr } = run(
          mpi.command,
          [...mpi.args, '-np', String(RANKS), program],
          // MPI keeps memory to the end.
          { ASAN_OPTIONS: 'detect_leaks=0' },
        );
        assert.equal(status, 0, stderr);
        assert.equal(stdout.split('ok').length - 1, RANKS);
      },
    );
  }
});
