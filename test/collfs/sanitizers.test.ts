import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';

import { run, which, type Mpi } from '../mpi/launch.ts';
import {
  buildSanitized,
  count,
  everything,
  implementations,
  root,
  scratchDirectory,
  writeFiles,
} from './programs.ts';

const RANKS = 3;
const PROGRAMS = ['operations_test', 'faults_test'];
const ADDRESS = ['-fsanitize=address,undefined', '-fno-sanitize-recover=all'];

describe('the C++ of libcollfs', () => {
  const files = scratchDirectory();
  before(() => writeFiles(files.path));
  after(() => files.remove());

  function passes(mpi: Mpi, sanitize: string[], env: NodeJS.ProcessEnv, prefix: string[]): void {
    const scratch = scratchDirectory();
    try {
      for (const program of buildSanitized(mpi.abi, PROGRAMS, scratch.path, sanitize)) {
        const args = program.endsWith('faults_test') ? ['1'] : [];
        const words = [...prefix, mpi.command, ...mpi.args, '-np', String(RANKS), program];
        const { status, signal, stdout, stderr } = run(
          words[0] ?? '',
          [...words.slice(1), files.path, ...args],
          env,
        );
        assert.equal(signal, null, `it hangs: ${stdout}${stderr}`);
        assert.equal(status, 0, `${stdout}${stderr}`);
        assert.equal(count(stdout, 'ok'), RANKS, stderr);
      }
    } finally {
      scratch.remove();
    }
  }

  implementations.forEach((mpi, position) => {
    const later = position > 0 && !everything && 'under one MPI; WALLA_TEST_COLLFS=all for both';
    it(
      `is right under address and undefined sanitizers with ${mpi.abi}`,
      { skip: mpi.skip || later },
      () => {
        // MPI keeps memory to the end.
        passes(mpi, ADDRESS, { ASAN_OPTIONS: 'detect_leaks=0' }, []);
      },
    );
  });

  const openMpi = implementations.find(({ abi }) => abi === 'openmpi');
  const notNow = everything ? false : 'takes a minute; WALLA_TEST_COLLFS=all runs it';
  const missing = which('setarch') === undefined && 'setarch is not installed';
  it(
    'has no data races (thread sanitizer, Open MPI)',
    { skip: openMpi === undefined || openMpi.skip || missing || notNow },
    () => {
      assert.ok(openMpi);
      const suppressions = join(root, 'test/collfs/thread-sanitizer.txt');
      // The sanitizer's fixed addresses do not go with all kinds of address randomization.
      passes(
        openMpi,
        ['-fsanitize=thread'],
        { TSAN_OPTIONS: `suppressions=${suppressions} exitcode=66` },
        ['setarch', '-R'],
      );
    },
  );
});
