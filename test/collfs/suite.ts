/** What the tests of operations_test and faults_test have in common, on one node and on several. */
import assert from 'node:assert/strict';
import { after, before, describe } from 'node:test';

import type { Mpi, Outcome } from '../mpi/launch.ts';
import { buildProgram, count, implementations, scratchDirectory, writeFiles } from './programs.ts';

type Program = 'operations_test' | 'faults_test' | 'namespaces_test' | 'unwritable_test';

export interface Setting {
  mpi: Mpi;
  /** The words that run one of the programs on the files. */
  words: (program: Program, args?: string[]) => string[];
}

/** Describes tests under each MPI, with files and programs that are there while they run. */
export function describeUnderEachMpi(
  title: string,
  skip: string | false,
  tests: (setting: Setting) => void,
): void {
  describe(title, { skip }, () => {
    const scratch = scratchDirectory();
    const files = scratchDirectory();
    before(() => writeFiles(files.path));
    after(() => {
      scratch.remove();
      files.remove();
    });
    for (const mpi of implementations) {
      describe(`under ${mpi.abi}`, { skip: mpi.skip }, () => {
        const built = new Map<Program, string>();
        const words = (program: Program, args: string[] = []) => {
          const path = built.get(program) ?? buildProgram(mpi.abi, program, scratch.path);
          built.set(program, path);
          return [path, files.path, ...args];
        };
        tests({ mpi, words });
      });
    }
  });
}

/** Every rank has come to its end. */
export function assertPassed({ status, signal, stdout, stderr }: Outcome, ranks: number): void {
  assert.equal(signal, null, `it hangs: ${stdout}${stderr}`);
  assert.equal(status, 0, `${stdout}${stderr}`);
  assert.equal(count(stdout, 'ok'), ranks, stderr);
}
