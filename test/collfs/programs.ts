/** Builds the C++ programs that test libcollfs, and the files they look at. */
import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import {
  closeSync,
  existsSync,
  ftruncateSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  rmSync,
  symlinkSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import type { MpiAbi } from '../../native/launcher.ts';
import { cleanEnvironment, mpis, which, type Mpi } from '../mpi/launch.ts';

export const root = fileURLToPath(new URL('../../', import.meta.url));
const libraries = join(root, 'dist', 'native', `${process.platform}-${process.arch}`);
export const pkgConfigPath = join(libraries, 'pkgconfig');

/** The longer tests, of which CI runs a share: more roots, more layouts. */
export const everything = process.env['WALLA_TEST_COLLFS'] === 'all';

/** The MPIs under which there is a libcollfs, or why not. */
export const implementations: Mpi[] = mpis.map((mpi) => {
  let { skip } = mpi;
  if (which(`mpicxx.${mpi.abi}`) === undefined) skip = `mpicxx.${mpi.abi} is not installed`;
  else if (!existsSync(libraryOf(mpi.abi))) skip = `libcollfs-${mpi.abi}.so is not built`;
  return { ...mpi, skip };
});

export function libraryOf(abi: MpiAbi): string {
  return join(libraries, `libcollfs-${abi}.so`);
}

/** A directory of its own for programs and files; not on tmpfs, since large files have holes. */
export function scratchDirectory(): { path: string; remove: () => void } {
  const path = mkdtempSync(join(tmpdir(), 'walla-collfs-'));
  return { path, remove: () => rmSync(path, { recursive: true }) };
}

const FLAGS = ['-std=c++17', '-Wall', '-Wextra', '-Werror', '-pthread', '-g', '-O1'];
const NO_MPI_CXX = ['-DOMPI_SKIP_MPICXX', '-DMPICH_SKIP_MPICXX'];

/** Compiles a program of this directory and links it with libcollfs. @returns its path */
export function buildProgram(abi: MpiAbi, name: string, directory: string): string {
  const program = join(directory, `${name}-${abi}`);
  const source = join(root, 'test', 'collfs', `${name}.cpp`);
  const linked = [`-L${libraries}`, `-lcollfs-${abi}`, `-Wl,-rpath,${libraries}`, '-ldl'];
  compile(`mpicxx.${abi}`, [...FLAGS, ...NO_MPI_CXX, source, '-o', program, ...linked]);
  return program;
}

/**
 * Compiles libcollfs into programs of this directory, and into collfs-stage, with sanitizers everywhere.
 * @param names of this directory's, or 'stage'
 * @returns the programs' paths, in the order of their names
 */
export function buildSanitized(
  abi: MpiAbi,
  names: string[],
  directory: string,
  sanitize: string[],
): string[] {
  // Two at a time, and each source once for all programs.
  const script = `
    set -e
    out=$1; shift
    stage="stage mirror stage_keeper stage_name"
    ls native/src/collfs/*.cpp native/src/mpi/*.cpp native/src/mapping.cpp native/src/posix_error.cpp \\
      native/src/fault.cpp native/src/piece_digest.cpp native/src/sha256.cpp native/src/sha256_compress.cpp native/src/trailing_hash.cpp \\
      native/src/private_directory.cpp native/src/directory_stream.cpp $(printf 'native/src/collfs-shadow/%s.cpp ' $stage) test/collfs/*_test.cpp |
      xargs -P2 -I{} sh -c 'source=$1; shift; "$@" -c "$source" -o "$0/$(echo "$source" | tr / _).o"' "$out" {} "$@"
    mkdir "$out/shadow"
    mv "$out"/native_src_collfs-shadow_*.o "$out/shadow"
    for name in ${names.join(' ')}; do
      own=$out/test_collfs_$name.cpp.o
      test "$name" != stage || own=$(ls "$out"/shadow/*.o)
      "$@" -o "$out/$name" "$out"/native_*.o $own -ldl
    done`;
  compile('bash', [
    ...['-c', script, 'build', directory],
    ...[`mpicxx.${abi}`, ...FLAGS, ...NO_MPI_CXX, ...sanitize],
  ]);
  return names.map((name) => join(directory, name));
}

export function compile(compiler: string, args: string[], env: NodeJS.ProcessEnv = {}): void {
  const result = spawnSync(compiler, args, {
    encoding: 'utf8',
    cwd: root,
    env: { ...cleanEnvironment(), ...env },
  });
  if (result.status !== 0) throw new Error(`${compiler}: ${result.stderr}`);
}

/** The files that operations_test and faults_test expect. */
export function writeFiles(directory: string): void {
  const at = (name: string) => join(directory, name);
  const sizes = {
    empty: 0,
    one: 1,
    small: 4096,
    inline: 32768,
    beyond: 32769,
    several: 5_000_001,
    long: 70_000_001,
  };
  for (const [name, bytes] of Object.entries(sizes)) writeFileSync(at(name), randomBytes(bytes));
  writeFileSync(at('text'), 'first\nsecond\n');
  symlinkSync('small', at('link'));
  symlinkSync('loop', at('loop'));
  compile('mkfifo', [at('fifo')]);
  mkdirSync(at('tree/sub'), { recursive: true });
  writeFileSync(at('tree/a'), 'in a');
  writeFileSync(at('tree/sub/leaf'), 'a leaf');
  mkdirSync(at('many'));
  for (let i = 0; i < 3000; i++) writeFileSync(at(`many/${i}`), `content of ${i}`);
  if (which('gcc') !== undefined) {
    writeFileSync(at('library.c'), 'int answer(void) { return 42; }');
    compile('gcc', ['-shared', '-fPIC', '-o', at('library.so'), at('library.c')]);
  }
  const GIB = 2 ** 30;
  const end = 5 * GIB + 12_345;
  const large = openSync(at('large'), 'w');
  ftruncateSync(large, end);
  writeSync(large, 'start ', 0);
  writeSync(large, 'middle', 4 * GIB + 77);
  writeSync(large, '  end.', end - 6);
  closeSync(large);
  const hole = openSync(at('hole'), 'w');
  ftruncateSync(hole, 2 ** 26);
  closeSync(hole);
}

/** How many times a word stands in a text. */
export function count(text: string, word: string): number {
  return text.split(word).length - 1;
}
