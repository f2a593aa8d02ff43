import assert from 'node:assert/strict';
import { copyFileSync, renameSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { after, before, describe, it } from 'node:test';

import { run, which, type Mpi } from '../mpi/launch.ts';
import {
  buildSanitized,
  count,
  everything,
  implementations,
  libraryOf,
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
      const [stage = '', ...programs] = buildSanitized(
        mpi.abi,
        ['stage', ...PROGRAMS],
        scratch.path,
        sanitize,
      );
      stagePasses(mpi, stage, env, prefix);
      for (const program of programs) {
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

  /** collfs-run with that collfs-stage shows the files in the stage. */
  function stagePasses(mpi: Mpi, stage: string, env: NodeJS.ProcessEnv, prefix: string[]): void {
    const directory = dirname(stage);
    const built = dirname(libraryOf(mpi.abi));
    renameSync(stage, join(directory, `collfs-stage-${mpi.abi}`));
    for (const name of ['collfs-run', 'libcollfs-audit.so']) {
      copyFileSync(join(built, name), join(directory, name));
    }
    // Without tags: the first line of the stage is read.
    const own = mpi.abi === 'openmpi' ? ['--allow-run-as-root', '--oversubscribe'] : [];
    const nodes = [...prefix, mpi.command, ...own, '-n', String(RANKS)].join(' ');
    const show = `cat "$COLLFS_STAGE${files.path}/tree/sub/leaf" && ls "$COLLFS_STAGE${files.path}/many" | wc -l`;
    const { status, stdout, stderr } = run(
      join(directory, 'collfs-run'),
      [
        ...['--mpi', mpi.abi, '--nodes', nodes, '--path', `${files.path}/tree`],
        ...['--path', `${files.path}/many`, '--all', '--', 'sh', '-c', show],
      ],
      env,
    );
    assert.equal(status, 0, stdout + stderr);
    assert.match(stdout, /^a leaf *3000\n$/);
    assert.doesNotMatch(stderr, /Sanitizer|runtime error/);
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

  const notNow = everything ? false : 'takes minutes; WALLA_TEST_COLLFS=all runs it';
  const missing = which('setarch') === undefined && 'setarch is not installed';
  for (const mpi of implementations) {
    it(
      `has no data races (thread sanitizer, ${mpi.abi})`,
      { skip: mpi.skip || missing || notNow },
      () => {
        const suppressions = join(root, 'test/collfs/thread-sanitizer.txt');
        // The sanitizer's fixed addresses do not go with all kinds of address randomization.
        passes(
          mpi,
          ['-fsanitize=thread'],
          {
            TSAN_OPTIONS: `suppressions=${suppressions} exitcode=66`,
            // UCX changes the machine code of mmap, and takes signals: the sanitizer has both.
            UCX_MEM_MMAP_HOOK_MODE: 'none',
            UCX_MEM_EVENTS: 'no',
            UCX_ERROR_SIGNALS: '',
          },
          ['setarch', '-R'],
        );
      },
    );
  }
});
