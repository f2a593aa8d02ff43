import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readdirSync, symlinkSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { after, before, describe, it } from 'node:test';

import {
  compile,
  count,
  everything,
  implementations,
  libraryOf,
  root,
  scratchDirectory,
} from '../collfs/programs.ts';
import { run, which } from '../mpi/launch.ts';
import { buildReader, preloaded, writeReadersFiles } from './programs.ts';

const sources = join(root, 'native/src/collfs-preload');

/** The address sanitizer's own library, which has to be loaded before all others. */
function sanitizerLibrary(): string | undefined {
  const { stdout } = spawnSync('g++', ['-print-file-name=libasan.so'], { encoding: 'utf8' });
  const library = which('g++') === undefined ? '' : stdout.trim();
  return library.startsWith('/') ? library : undefined;
}

const missing = sanitizerLibrary() === undefined && 'there is no address sanitizer';

describe('libcollfs-preload under address and undefined sanitizers', { skip: missing }, () => {
  const scratch = scratchDirectory();
  const files = scratchDirectory();
  const library = join(scratch.path, 'libcollfs-preload.so');
  before(() => {
    writeReadersFiles(files.path);
    const own = readdirSync(sources).filter((name) => name.endsWith('.cpp'));
    compile('g++', [
      ...['-std=c++17', '-shared', '-fPIC', '-g', '-O1', '-fvisibility=hidden', '-fno-exceptions'],
      ...['-fasynchronous-unwind-tables', '-fsanitize=address,undefined'],
      ...['-fno-sanitize-recover=all', '-o', library],
      ...own.map((name) => join(sources, name)),
      ...[join(root, 'native/src/collfs-shadow/stage_name.cpp'), '-ldl'],
    ]);
    for (const { abi, skip } of implementations) {
      const one = libraryOf(abi);
      if (skip === false) symlinkSync(one, join(dirname(library), `libcollfs-${abi}.so`));
    }
  });
  after(() => {
    scratch.remove();
    files.remove();
  });

  implementations.forEach((mpi, position) => {
    const later = position > 0 && !everything && 'under one MPI; WALLA_TEST_COLLFS=all for both';
    it(`reads as it does without them, with ${mpi.abi}`, { skip: mpi.skip || later }, () => {
      const reader = buildReader(mpi.abi, scratch.path);
      const env = preloaded(files.path, {
        LD_PRELOAD: `${sanitizerLibrary() ?? ''} ${library}`,
        // MPI keeps memory to the end; the program has a signal stack of its own.
        ASAN_OPTIONS: 'detect_leaks=0:use_sigaltstack=0',
      });
      for (const scenario of [
        'opens',
        'statuses',
        'names',
        'listings',
        'searches',
        'alone',
        'diverge',
      ]) {
        const words = [...mpi.args, '-np', '2', reader, files.path, scenario];
        const { status, signal, stdout, stderr } = run(mpi.command, words, env);
        assert.equal(signal, null, `${scenario} hangs: ${stdout}${stderr}`);
        assert.equal(status, 0, `${scenario}: ${stdout}${stderr}`);
        assert.equal(count(stdout, 'end ok'), 2, stdout + stderr);
        assert.doesNotMatch(stdout, / is wrong/);
        assert.doesNotMatch(stderr, /Sanitizer|runtime error/);
      }
    });
  });
});
