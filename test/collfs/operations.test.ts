import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';

import { run } from '../mpi/launch.ts';
import {
  buildProgram,
  count,
  everything,
  implementations,
  scratchDirectory,
  writeFiles,
} from './programs.ts';

const available = implementations.some(({ skip }) => skip === false);

describe('libcollfs', { skip: available ? false : 'there is no libcollfs here' }, () => {
  const scratch = scratchDirectory();
  const files = scratchDirectory();
  before(() => writeFiles(files.path));
  after(() => {
    scratch.remove();
    files.remove();
  });

  for (const mpi of implementations) {
    describe(`under ${mpi.abi}`, { skip: mpi.skip }, () => {
      before(() => {
        for (const name of ['operations_test', 'faults_test']) {
          buildProgram(mpi.abi, name, scratch.path);
        }
      });

      function passes(ranks: number, name: string, args: string[]): void {
        const program = join(scratch.path, `${name}-${mpi.abi}`);
        const { status, signal, stdout, stderr } = run(mpi.command, [
          ...[...mpi.args, '-np', String(ranks), program, files.path, ...args],
        ]);
        assert.equal(signal, null, `it hangs: ${stdout}${stderr}`);
        assert.equal(status, 0, `${stdout}${stderr}`);
        assert.equal(count(stdout, 'ok'), ranks, stderr);
      }

      for (const ranks of [1, 2, 4, 7]) {
        it(`does all operations as libc does on ${ranks}, each rank as root`, () => {
          passes(ranks, 'operations_test', ranks === 2 ? ['large'] : []);
        });

        const roots = everything ? Array.from({ length: ranks }, (_, rank) => rank) : [ranks - 1];
        for (const root of roots) {
          it(`fails on all of ${ranks} alike when one cannot go on (root ${root})`, () => {
            passes(ranks, 'faults_test', [String(root)]);
          });
        }
      }

      for (const ranks of everything ? [2, 4, 7] : [4]) {
        it(`names a rank of ${ranks} that does not come in time`, () => {
          passes(ranks, 'faults_test', ['0', 'timeouts']);
        });
      }
    });
  }
});
