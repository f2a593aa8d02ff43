import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';

import { run, which } from '../mpi/launch.ts';
import {
  compile,
  implementations,
  libraryOf,
  pkgConfigPath,
  root,
  scratchDirectory,
} from './programs.ts';

const PROGRAM = `
#include <collfs.h>
#include <fcntl.h>
int main(int argc, char** argv) {
  struct stat status;
  MPI_Init(&argc, &argv);
  if (collfs_init(0, NULL, NULL) != 0 || collfs_comm_push(MPI_COMM_WORLD, 0) != 0) return 1;
  const int fd = collfs_open(argv[0], O_RDONLY);
  if (fd < 0 || collfs_fstat(fd, &status) != 0 || status.st_size == 0 || collfs_close(fd) != 0) return 2;
  if (collfs_finalize() != 0) return 3;
  MPI_Finalize();
  return 0;
}
`;

const header = readFileSync(join(root, 'native/src/collfs/collfs.h'), 'utf8');
const declared = [...header.matchAll(/\b(collfs_[a-z_]+)\(/g)].map(([, name]) => name ?? '');

describe('the C interface of libcollfs', () => {
  const scratch = scratchDirectory();
  after(() => scratch.remove());

  for (const mpi of implementations) {
    const missing = ['pkg-config', 'gcc', `mpicc.${mpi.abi}`].find(
      (name) => which(name) === undefined,
    );
    const skip = mpi.skip || (missing !== undefined && `${missing} is not installed`);
    it(`is found by pkg-config and used from C99 under ${mpi.abi}`, { skip }, () => {
      const source = join(scratch.path, 'program.c');
      const program = join(scratch.path, `program-${mpi.abi}`);
      writeFileSync(source, PROGRAM);
      const flags = spawnSync('pkg-config', ['--cflags', '--libs', `collfs-${mpi.abi}`], {
        encoding: 'utf8',
        env: { ...process.env, PKG_CONFIG_PATH: pkgConfigPath },
      });
      assert.equal(flags.status, 0, flags.stderr);
      const strict = [
        '-std=c99',
        '-D_GNU_SOURCE',
        '-Wall',
        '-Wextra',
        '-Wpedantic',
        '-Wno-long-long',
      ];
      compile(`mpicc.${mpi.abi}`, [
        ...[...strict, '-o', program, source],
        ...flags.stdout.trim().split(/\s+/),
      ]);
      const { status, stderr } = run(mpi.command, [...mpi.args, '-np', '2', program]);
      assert.equal(status, 0, stderr);
    });

    const noNm = mpi.skip || (which('nm') === undefined && 'nm is not installed');
    it(`has the functions of its header under ${mpi.abi}, and no others`, { skip: noNm }, () => {
      const { stdout } = spawnSync('nm', ['-D', '--defined-only', libraryOf(mpi.abi)], {
        encoding: 'utf8',
      });
      const functions = stdout
        .split('\n')
        .filter((line) => line.includes(' T '))
        .map((line) => line.split(' ').at(-1) ?? '');
      const expected = declared.filter((name) => functions.includes(name));
      assert.deepEqual(functions.sort(), [...new Set(expected)].sort());
      for (const name of ['collfs_open', 'collfs_stat_many', 'collfs_counters_json']) {
        assert.ok(functions.includes(name), `${name} is missing`);
      }
    });
  }

  it(
    'needs no MPI header where no communicator is passed',
    { skip: which('gcc') === undefined },
    () => {
      const source = join(scratch.path, 'plain.c');
      writeFileSync(source, '#define COLLFS_NO_MPI\n#include <collfs.h>\n');
      compile('gcc', [
        ...['-std=c99', '-D_GNU_SOURCE', '-Wall', '-Wextra', '-Werror', '-fsyntax-only'],
        ...[`-I${join(root, 'native/src/collfs')}`, source],
      ]);
    },
  );

  const renderer = [
    ['mandoc', '-Tlint', '-Wwarning'],
    ['groff', '-mdoc', '-ww', '-Tutf8'],
  ].find(([name]) => which(name ?? '') !== undefined);
  const noRenderer = renderer === undefined && 'neither mandoc nor groff is installed';
  it('has a manual page that renders without warnings', { skip: noRenderer }, () => {
    const [command = '', ...args] = renderer ?? [];
    const page = join(root, 'docs/man/collfs.3');
    const { status, stdout, stderr } = spawnSync(command, [...args, page], { encoding: 'utf8' });
    assert.equal(status, 0, stdout + stderr);
    assert.equal(stderr, '');
    // What it shows is in the header.
    for (const [, name] of readFileSync(page, 'utf8').matchAll(/^\.Fn (collfs_\w+)/gm)) {
      assert.ok(declared.includes(name ?? ''), `${name} is not in collfs.h`);
    }
  });
});
