/** One rank differs from the others, or lacks something: all of them have one outcome. */
import assert from 'node:assert/strict';
import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { type AddonName, addonFile } from '../../native/addon-path.ts';
import { Cluster } from '../cluster/cluster.ts';
import { nodeVersions } from '../node-versions/index.ts';
import { leftBehind, type Mpi, mpis, packageRoot, preload } from '../run-node.ts';
import { all } from './cases.ts';
import type { Ended } from './expect.ts';
import { runJob } from './job.ts';
import { FaultProgram } from './program.ts';

/** Some of a list in `npm test`, everything in the longer run. */
const share = <T>(list: T[], ...at: number[]): T[] =>
  all ? list : list.filter((_, i) => at.includes(i));

const RANKS = 3;
describe('of three ranks', () => {
  let program: FaultProgram;
  let scratch: string;
  before(() => {
    program = new FaultProgram();
    scratch = mkdtempSync(join(tmpdir(), 'walla-agreement-'));
  });
  after(() => {
    program.remove();
    rmSync(scratch, { recursive: true });
  });

  /** The package without some addons. */
  function packageWithout(...names: AddonName[]): string {
    const root = join(scratch, `without-${names.join('-')}`);
    cpSync(join(packageRoot, 'dist'), join(root, 'dist'), { recursive: true });
    for (const name of names) rmSync(join(root, addonFile(name)));
    return root;
  }

  interface Start {
    node?: string;
    env?: Record<string, string>;
    root?: string;
    entry?: string;
    /** Variables that the rank is not to see. */
    unset?: string[];
  }

  async function job(mpi: Mpi, first: Start, last: Start): Promise<Ended> {
    const base = mkdtempSync(join(scratch, 'base-'));
    const start = ({
      node = process.execPath,
      env = {},
      root = packageRoot,
      entry = program.entry,
      unset = [],
    }: Start): string[] => [
      'env',
      ...unset.flatMap((name) => ['-u', name]),
      ...Object.entries(env).map(([name, value]) => `${name}=${value}`),
      node,
      '--import',
      join(root, 'dist/stage.cjs'),
      entry,
    ];
    const words = [mpi.command, ...mpi.args, '-np', String(RANKS - 1), ...start(first)];
    const ended = await runJob([...words, ':', '-np', '1', ...start(last)], {
      WALLA_ARCHIVE: program.archive,
      WALLA_DIR: base,
    });
    assert.equal(ended.timedOut, false, ended.stderr);
    assert.deepEqual(leftBehind(base), []);
    return ended;
  }

  function refused({ code, stdout, stderr }: Ended, message: RegExp, rank: number): void {
    assert.notEqual(code, 0);
    assert.doesNotMatch(stdout, /^ran /m);
    const [said = '', ...more] = [...stderr.matchAll(/^walla: .*ERR_WALLA.*$/gm)].map(String);
    assert.deepEqual(more, [], stderr);
    assert.match(said, message);
    assert.ok(said.includes(`[rank ${rank}@${hostname()}]`), said);
  }

  function ranUnstaged({ code, stdout, stderr }: Ended): void {
    assert.equal(code, 0, stderr);
    assert.equal(stdout, program.output(RANKS, 'unstaged'));
    assert.equal(stderr.match(/ERR_WALLA/g)?.length, 1, stderr);
    assert.equal(stderr.match(/running unstaged/g)?.length, 1, stderr);
  }

  for (const mpi of mpis) {
    describe(`under ${mpi.abi}`, { skip: mpi.skip }, () => {
      const other = mpi.abi === 'openmpi' ? 'mpich' : 'openmpi';
      const fallback = { WALLA_ON_ERROR: 'fallback' };

      const settings: [string, string, RegExp][] = [
        ['WALLA_ARCHIVE', '/elsewhere.walla', /ERR_WALLA_DIVERGED: WALLA_ARCHIVE is "\/elsewhere/],
        [
          'WALLA_STALE',
          'use',
          /ERR_WALLA_DIVERGED: WALLA_STALE is "use" here and "check" on rank 0/,
        ],
        ['WALLA_SHADOW', 'off', /ERR_WALLA_DIVERGED: WALLA_SHADOW/],
        ['WALLA_KEEP', '1', /ERR_WALLA_DIVERGED: WALLA_KEEP/],
        ['WALLA_STALLE', 'use', /ERR_WALLA_OPTION: WALLA_STALLE/],
        ['WALLA_TIMEOUT', 'soon', /ERR_WALLA_OPTION: WALLA_TIMEOUT/],
        ['WALLA_MPI', 'openmp', /ERR_WALLA_OPTION: WALLA_MPI is "openmp"/],
        ['WALLA_MPI', other, new RegExp(`ERR_WALLA_MPI_MISMATCH: WALLA_MPI is "${other}"`)],
        ['WALLA_MPI', 'release', /ERR_WALLA_DIVERGED: WALLA_MPI/],
      ];
      for (const [name, value, message] of share(settings, 1, 6, 7)) {
        it(`one with ${name}=${value} stops all`, async () => {
          refused(await job(mpi, {}, { env: { [name]: value } }), message, 2);
        });
      }

      it('one that says more does not disturb the others', async () => {
        const { code, stdout, stderr } = await job(mpi, {}, { env: { WALLA_VERBOSE: '1' } });
        assert.equal(code, 0, stderr);
        assert.equal(stdout, program.output(RANKS));
      });

      const foreign = nodeVersions.find(
        ({ major }) => major !== Number(process.versions.node.split('.')[0]),
      );
      it('one with another Node.js stops all', { skip: !foreign }, async () => {
        const ended = await job(mpi, {}, { node: foreign?.path ?? '' });
        refused(ended, /ERR_WALLA_DIVERGED: Node.js ABI is "\d+" here and "\d+" on rank 0/, 2);
      });

      const errnos: [string, RegExp, number][] = [
        ['reserve:ENOSPC:0', /ERR_WALLA_NO_SPACE/, 0],
        ['reserve:EACCES:0', /ERR_WALLA_STAGING_DIRECTORY/, 0],
        ['transfer.middle:ENOMEM:0', /ERR_WALLA_NO_MEMORY/, 0],
        ['hold:ENOMEM:2', /ERR_WALLA_NO_MEMORY/, 2],
        ['attach:ENOMEM:1', /ERR_WALLA_NO_MEMORY/, 1],
      ];
      for (const [fault, message, rank] of share(errnos, 4)) {
        it(`one that gets ${fault.split(':').slice(0, 2).reverse().join(' in ')} stops all, or none is staged`, async () => {
          const env = { WALLA_FAULT: fault };
          refused(await job(mpi, { env }, { env }), message, rank);
          const both = { env: { ...env, ...fallback } };
          ranUnstaged(await job(mpi, both, both));
        });
      }

      it('one whose program is not packed stops all, or none is staged', async () => {
        const entry = program.unpacked;
        refused(await job(mpi, {}, { entry }), /ERR_WALLA_NOT_PACKED: .*unpacked\.mjs/, 2);
        ranUnstaged(await job(mpi, { env: fallback }, { entry, env: fallback }));
      });

      it('two whose program is not packed are counted', async () => {
        const ended = await job(mpi, { entry: program.unpacked }, {});
        refused(ended, /ERR_WALLA_NOT_PACKED: .*unpacked\.mjs.*\(and 1 more ranks alike\)/, 0);
      });

      it('one whose program does not exist stops all', async () => {
        const entry = `${program.unpacked}.none`;
        refused(await job(mpi, {}, { entry }), /ERR_WALLA_NO_ENTRY: .*unpacked\.mjs\.none/, 2);
      });

      it('none needs the file of the core alone, which is in the addon for MPI', async () => {
        const root = packageWithout('walla');
        const { code, stdout, stderr } = await job(mpi, { root }, { root });
        assert.equal(code, 0, stderr);
        assert.equal(stdout, program.output(RANKS));
      });

      it('one without the addon for MPI stops all, or none is staged', async () => {
        const root = packageWithout(`mpi-${mpi.abi}`);
        refused(await job(mpi, {}, { root }), /ERR_WALLA_MPI: .*was not built/, 2);
        const ended = await job(mpi, { env: fallback }, { root, env: fallback });
        ranUnstaged(ended);
        assert.ok(ended.stderr.includes(`[rank 2@${hostname()}] ERR_WALLA_MPI: `), ended.stderr);
      });

      it('one without the addon for MPI still ends the job by its exit status', async () => {
        const root = packageWithout(`mpi-${mpi.abi}`);
        const start = { env: fallback, entry: program.exiting };
        const { code, stderr } = await job(mpi, start, { ...start, root });
        assert.equal(code, 3, stderr);
        assert.match(stderr, /running unstaged/);
      });

      it('one without anything that can speak MPI does not make the others wait under fallback', async () => {
        const env = { ...fallback, WALLA_TIMEOUT: '3' };
        const root = packageWithout(`mpi-${mpi.abi}`, 'walla');
        // It cannot run on without them: a launcher lets no rank run without MPI where others use it.
        const { code, stderr } = await job(mpi, { env }, { env, root });
        assert.notEqual(code, 0);
        assert.match(stderr, /ERR_WALLA_TIMEOUT: MPI has not started|exiting improperly/);
      });

      describe('where the launcher offers MPI to every program', () => {
        // As srun, PALS and Flux do; without these variables mpirun cannot be told from them.
        const unset = ['MPI_LOCALRANKID', 'OMPI_COMM_WORLD_RANK', 'OMPI_COMM_WORLD_SIZE'];

        it('one without the addon for MPI stops all, or none is staged', async () => {
          const root = packageWithout(`mpi-${mpi.abi}`);
          const ended = await job(mpi, { unset }, { unset, root });
          refused(ended, /ERR_WALLA_MPI: .*was not built/, 2);
          const both = { unset, env: fallback };
          ranUnstaged(await job(mpi, both, { ...both, root }));
        });

        it('none has the addon for MPI: all are staged without', async () => {
          const start = { unset, root: packageWithout(`mpi-${mpi.abi}`) };
          const { code, stdout, stderr } = await job(mpi, start, start);
          assert.equal(code, 0, stderr);
          assert.equal(stdout, program.output(RANKS));
          assert.equal(stderr.match(/staging without MPI, one copy a node/g)?.length, 1, stderr);
        });

        it('none has the addon for the MPI that is asked for: all stop', async () => {
          const env = { WALLA_MPI: mpi.abi };
          const start = { unset, env, root: packageWithout(`mpi-${mpi.abi}`) };
          refused(await job(mpi, start, start), /ERR_WALLA_MPI: .*was not built/, 0);
        });
      });

      it('none has the addon for MPI: all stop, or none is staged', async () => {
        const root = packageWithout(`mpi-${mpi.abi}`);
        refused(await job(mpi, { root }, { root }), /ERR_WALLA_MPI: .*was not built/, 0);
        const start = { root, env: fallback };
        ranUnstaged(await job(mpi, start, start));
      });
    });
  }

  const skip = Cluster.unavailableReason() ?? false;
  it(
    'one on another node whose program is not packed is named with its host',
    { skip },
    async () => {
      await using cluster = await Cluster.start({ nodes: 2 });
      const run = `[ $OMPI_COMM_WORLD_RANK = 2 ] && entry=$3 || entry=$2; exec "$0" --import "$1" "$entry"`;
      const words = [process.execPath, preload, program.entry, program.unpacked];
      const { code, stdout, stderr } = await cluster.mpirun(['sh', '-c', run, ...words], {
        slots: [2, 1],
        env: { WALLA_ARCHIVE: program.archive },
      });
      assert.notEqual(code, 0);
      assert.equal(stdout, '');
      assert.match(stderr, /\[rank 2@nid002\] ERR_WALLA_NOT_PACKED: .*unpacked\.mjs/);
      assert.equal(stderr.match(/ERR_WALLA_/g)?.length, 1, stderr);
    },
  );
});
