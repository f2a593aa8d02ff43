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
const manual = join(root, 'docs/man');
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
  for (const name of ['collfs.3', 'collfs-preload.7']) {
    it(`has a manual page ${name} that renders without warnings`, { skip: noRenderer }, () => {
      const [command = '', ...args] = renderer ?? [];
      const page = join(manual, name);
      const { status, stdout, stderr } = spawnSync(command, [...args, page], { encoding: 'utf8' });
      assert.equal(status, 0, stdout + stderr);
      assert.equal(stderr, '');
    });
  }

  it('has a manual page of what is in its header', () => {
    const page = readFileSync(join(manual, 'collfs.3'), 'utf8');
    const shown = [...page.matchAll(/^\.Fn (collfs_\w+)/gm)].map(([, name]) => name ?? '');
    assert.deepEqual(
      shown.filter((name) => !declared.includes(name)),
      [],
    );
  });

  it('has all its codes in the documentation', () => {
    const codes = new Set(header.match(/ERR_COLLFS_[A-Z]+/g));
    assert.ok(codes.size > 5);
    const guide = readFileSync(join(root, 'docs/collfs.md'), 'utf8');
    const page = readFileSync(join(manual, 'collfs.3'), 'utf8');
    for (const code of codes) {
      assert.ok(guide.includes(`\`${code}\``), `${code} is not in docs/collfs.md`);
      assert.ok(page.includes(`.It Dv ${code}\n`), `${code} is not in collfs.3`);
    }
  });
});
