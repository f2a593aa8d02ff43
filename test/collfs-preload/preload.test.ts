import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';

import {
  compile,
  implementations,
  pkgConfigPath,
  root,
  scratchDirectory,
} from '../collfs/programs.ts';
import { cleanEnvironment, run, which, type Mpi, type Outcome } from '../mpi/launch.ts';
import {
  buildOpeners,
  buildReader,
  preloaded,
  preloadLibrary,
  writeReadersFiles,
} from './programs.ts';

/** The lines of each rank, without the launcher's tags. */
function linesOfRanks(text: string): Map<number, string[]> {
  const ranks = new Map<number, string[]>();
  for (const line of text.split('\n')) {
    const [, openMpi, mpich, words] =
      /^(?:\[\d+,(\d+)\]<std\w+>:|\[(\d+)\] )(.*)$/.exec(line) ?? [];
    // MPICH over UCX warns of what a rank that did not come has left.
    if (words === undefined || words.includes(' UCX  WARN ')) continue;
    const rank = Number(openMpi ?? mpich);
    ranks.set(rank, [...(ranks.get(rank) ?? []), words]);
  }
  return ranks;
}

const skip = existsSync(preloadLibrary) ? false : 'libcollfs-preload.so is not built';

describe('libcollfs-preload', { skip }, () => {
  const files = scratchDirectory();
  const scratch = scratchDirectory();
  before(() => {
    writeReadersFiles(files.path);
    buildOpeners(files.path);
  });
  after(() => {
    files.remove();
    scratch.remove();
  });

  for (const mpi of implementations) {
    describe(`under ${mpi.abi}`, { skip: mpi.skip }, () => {
      let reader: string;
      before(() => {
        reader = buildReader(mpi.abi, scratch.path);
      });

      function reads(
        scenario: string,
        ranks: number,
        env: Record<string, string> = {},
        prefix: string[] = [],
      ): { lines: string[][]; stderr: string } {
        const words = [...mpi.args, '-np', String(ranks), ...prefix, reader, files.path, scenario];
        const outcome = run(mpi.command, words, preloaded(files.path, env));
        const lines = endsWell(outcome, ranks);
        for (const each of lines) {
          assert.deepEqual([each[0], ...each.slice(-2)], ['before own', 'finalized own', 'end ok']);
        }
        return { lines: lines.map((each) => each.slice(1, -2)), stderr: outcome.stderr };
      }

      /** Calls that communicated, of those that the first rank counted. */
      function collective(stderr: string, operation: string): number {
        return Number(new RegExp(`\\b${operation} +\\d+ +(\\d+) `).exec(stderr)?.[1] ?? NaN);
      }

      for (const [ranks, from] of [
        [1, 0],
        [2, 0],
        [4, 3],
      ] as const) {
        const env = { COLLFS_ROOT: String(from), COLLFS_COUNTERS: '1' };
        const how = `on ${ranks} ranks with root ${from}`;

        it(`makes every kind of open collective ${how}`, () => {
          const { lines, stderr } = reads('opens', ranks, env);
          for (const each of lines) {
            const wrong = each.filter((line) => !/ (shared|ok)$/.test(line));
            assert.deepEqual(wrong, []);
            assert.equal(each.filter((line) => line.endsWith(' shared')).length, 14);
          }
          assert.equal(collective(stderr, 'open'), 17, stderr);
          assert.doesNotMatch(stderr, /ERR_COLLFS/);
        });

        it(`makes every kind of stat, access, readlink and opendir collective ${how}`, () => {
          const oldOnes = process.arch === 'x64' ? 3 : 0;
          const expected: [string, Record<string, number>][] = [
            ['statuses', { stat: 7 + oldOnes, statx: 1, open: 1 }],
            ['names', { access: 5, readlink: 3, realpath: 3 }],
            ['listings', { opendir: 303, stat: 1 }],
          ];
          for (const [scenario, counts] of expected) {
            const { lines, stderr } = reads(scenario, ranks, env);
            for (const each of lines) {
              assert.deepEqual(
                each.filter((line) => !line.endsWith(' ok')),
                [],
              );
            }
            for (const [operation, count] of Object.entries(counts)) {
              assert.equal(collective(stderr, operation), count, `${operation}: ${stderr}`);
            }
          }
        });
      }

      it('makes scandir, glob and freopen collective, also for chosen callers', () => {
        for (const callers of [{}, { COLLFS_CALLERS: `reader-${mpi.abi}` }]) {
          const { lines, stderr } = reads('searches', 2, { COLLFS_COUNTERS: '1', ...callers });
          for (const each of lines) {
            assert.deepEqual(
              each.filter((line) => !/ (shared|ok)$/.test(line)),
              [],
            );
            assert.equal(each.filter((line) => line.endsWith(' shared')).length, 2);
          }
          // Seven by scandir and scandirat, and of glob's patterns one for each directory with something to match.
          assert.equal(collective(stderr, 'opendir'), 11, stderr);
          assert.equal(collective(stderr, 'open'), 3, stderr);
          assert.doesNotMatch(stderr, /ERR_COLLFS/);
        }
      });

      it('leaves signal handlers, threads, children and what MPI calls alone', () => {
        const { lines, stderr } = reads('alone', 3);
        const [first = [], ...others] = lines.map((each) =>
          each.filter((line) => !line.startsWith('reduction ')),
        );
        assert.deepEqual(first, [
          ...['handler own', 'handler status ok', 'handler own', 'handler status ok'],
          ...['thread own', 'thread stream ok', 'thread stream own'],
          ...['child own', 'contents', 'exec ok', 'popen ok', 'sum ok', 'together shared'],
        ]);
        for (const each of others) assert.deepEqual(each, ['sum ok', 'together shared']);
        const reductions = lines.flat().filter((line) => line.startsWith('reduction '));
        assert.deepEqual([...new Set(reductions)], ['reduction own']);
        assert.doesNotMatch(stderr, /ERR_COLLFS/);
      });

      it('reads as without collfs where ranks do not agree, and says so once', () => {
        const { lines, stderr } = reads('diverge', 3);
        for (const [rank, each] of lines.entries()) {
          const more = rank === 0 ? ['one more own'] : [];
          assert.deepEqual(each, ['diverged own', 'together shared', ...more]);
        }
        const reports = stderr.split('\n').filter((line) => line.includes('ERR_COLLFS_DIVERGED'));
        assert.equal(reports.length, 2, stderr);
        assert.match(reports[0] ?? '', /rank 0@.*sub\/0"\) by rank 0@.*; each rank asks the file/);
        assert.match(reports[1] ?? '', /file"\) by rank 0@.*; pop\(\) by 2 ranks/);
        assert.match(stderr, /hint: narrow COLLFS_PATHS or COLLFS_CALLERS/);
      });

      it('goes on without a rank that does not come in time', () => {
        const { lines, stderr } = reads('late', 3, { COLLFS_TIMEOUT: '0.5' });
        for (const each of lines) assert.deepEqual(each, ['late own', 'after own']);
        assert.match(stderr, /ERR_COLLFS_TIMEOUT: open\(.*rank 2@.* within 0\.5 s; .* from now on/);
        assert.equal(stderr.match(/ERR_COLLFS/g)?.length, 1, stderr);
      });

      it('goes on without ranks that do not have it', () => {
        // Variables are lost on their way to other nodes, if the launcher is not told to pass them on.
        const without =
          '[ "${OMPI_COMM_WORLD_RANK-$PMI_RANK}" = 2 ] && unset LD_PRELOAD; exec "$@"';
        const { lines, stderr } = reads('one', 3, { COLLFS_TIMEOUT: '0.5' }, [
          ...['sh', '-c', without, 'sh'],
        ]);
        for (const each of lines) assert.deepEqual(each, ['one own']);
        assert.match(stderr, /ERR_COLLFS_TIMEOUT: push: not all ranks/);
        assert.match(stderr, /hint: give LD_PRELOAD and COLLFS_PATHS to all ranks/);
      });

      it('makes the calls of chosen libraries collective, and of streams within them', () => {
        for (const [chosen, expected] of [
          ['libchosen.so', ['program own', 'chosen shared', 'other own', 'streams own']],
          ['libstreams.so', ['program own', 'chosen own', 'other own', 'streams shared']],
          [
            `${files.path}/lib*`,
            ['program own', 'chosen shared', 'other shared', 'streams shared'],
          ],
          [
            `libnone.so:reader-${mpi.abi}`,
            ['program shared', 'chosen own', 'other own', 'streams own'],
          ],
        ] as const) {
          const { lines } = reads('callers', 2, { COLLFS_CALLERS: chosen });
          for (const each of lines) assert.deepEqual(each, [...expected], chosen);
        }
      });

      it('leaves files elsewhere alone, and all without COLLFS_PATHS', () => {
        for (const paths of ['', `${files.path}/fil:/nowhere`]) {
          const { lines } = reads('one', 2, { COLLFS_PATHS: paths });
          for (const each of lines) assert.deepEqual(each, ['one own']);
        }
      });

      it('says once what it cannot understand or do', () => {
        for (const [scenario, env, message] of [
          ['one', { COLLFS_TIMEOUT: 'soon' }, /ERR_COLLFS_OPTION: COLLFS_TIMEOUT cannot be/],
          ['one', { COLLFS_PUSH: 'all' }, /ERR_COLLFS_OPTION: COLLFS_PUSH cannot be/],
          ['one', { COLLFS_ROOT: '2' }, /ERR_COLLFS_STATE: push: root 2 is no rank of 2/],
          ['serialized', {}, /ERR_COLLFS_THREAD: MPI_THREAD_SERIALIZED/],
        ] as const) {
          const { lines, stderr } = reads(scenario, 2, env);
          // Some builds of MPI give more than is asked for.
          if (lines.flat().some((line) => line.startsWith('more '))) continue;
          for (const each of lines) assert.deepEqual(each, [`${scenario} own`]);
          assert.match(stderr, message);
          assert.equal(stderr.match(/ERR_COLLFS/g)?.length, 1, stderr);
        }
      });

      it('is collective where the program says so', () => {
        const program = buildPusher(mpi, scratch.path);
        const words = [...mpi.args, '-np', '2', program, join(files.path, 'file')];
        const outcome = run(mpi.command, words, preloaded(files.path, { COLLFS_PUSH: 'program' }));
        for (const each of endsWell(outcome, 2)) {
          assert.deepEqual(each, ['before own', 'pushed shared', 'popped own']);
        }
      });
    });
  }

  it('does nothing in programs without MPI', () => {
    const env = { ...cleanEnvironment(), ...preloaded(files.path) };
    for (const [command, ...args] of [
      ['cat', join(files.path, 'file')],
      ['ls', '-lR', files.path],
      ['sh', '-c', `cd ${files.path} && find . | sort && stat -c %i file`],
      [process.execPath, '-p', `require('fs').readdirSync(${JSON.stringify(files.path)}).length`],
    ]) {
      const plain = spawnSync(command ?? '', args, { encoding: 'utf8', env: cleanEnvironment() });
      const shadowed = spawnSync(command ?? '', args, { encoding: 'utf8', env });
      assert.equal(plain.status, 0, plain.stderr);
      assert.deepEqual(
        [shadowed.status, shadowed.stdout, shadowed.stderr],
        [plain.status, plain.stdout, plain.stderr],
      );
    }
  });

  it('interposes what its documentation says', { skip: which('nm') === undefined }, () => {
    const { stdout } = spawnSync('nm', ['-D', '--defined-only', preloadLibrary], {
      encoding: 'utf8',
    });
    const functions = stdout.match(/(?<= [TW] )\w+/g) ?? [];
    const page = readFileSync(join(root, 'docs/man/collfs-preload.7'), 'utf8');
    const section = page.split(/^\.Sh /m).find((text) => text.startsWith('INTERPOSED')) ?? '';
    const documented =
      section
        .match(/^[_A-Za-z].*_?.*$/gm)
        ?.slice(1)
        .join(', ')
        .split(', ') ?? [];
    assert.deepEqual(functions.sort(), documented.sort());
  });
});

/** @returns the lines of ranks, in their order */
function endsWell({ status, signal, stdout, stderr }: Outcome, ranks: number): string[][] {
  assert.equal(signal, null, `it hangs: ${stdout}${stderr}`);
  assert.equal(status, 0, stdout + stderr);
  const lines = linesOfRanks(stdout);
  assert.equal(lines.size, ranks, stdout);
  return Array.from({ length: ranks }, (_, rank) => lines.get(rank) ?? []);
}

function buildPusher(mpi: Mpi, directory: string): string {
  const program = join(directory, `pusher-${mpi.abi}`);
  const source = join(root, 'test/collfs-preload/pusher.c');
  const library = join(pkgConfigPath, '..');
  compile(`mpicc.${mpi.abi}`, [
    ...[`-I${join(root, 'native/src/collfs')}`, source, '-o', program],
    ...[`-L${library}`, `-lcollfs-${mpi.abi}`, `-Wl,-rpath,${library}`],
  ]);
  return program;
}
