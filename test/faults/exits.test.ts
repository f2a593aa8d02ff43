/** How a staged job ends: by whichever rank fails, with its status, and without a rank that hangs or spins. */
import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import {
  Application,
  leftBehind,
  type Mpi,
  mpis,
  packageRoot,
  packProgram,
  preload,
} from '../run-node.ts';
import { all } from './cases.ts';
import type { Ended } from './expect.ts';
import { runJob } from './job.ts';

const RANKS = 3;
/** A rank that spins has 1, or a good part of it where there are more ranks than cores. */
const MOST_CPU_SHARE = 0.3;

const PROGRAM = `
const { world } = await import(process.env.MPI_MODULE);
const [how] = process.argv.slice(2);
const staged = process.env.WALLA_ATTACH !== undefined;
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
if (how !== 'plain') {
  const last = world.rank === world.size - 1;
  world.barrier();
  if (how === 'in-order') await sleep(300 * world.rank);
  else if (how === 'in-reverse') await sleep(300 * (world.size - world.rank));
  else if (how === 'late') await sleep(world.rank === 0 ? 8000 : 0);
  else if (!last) world.barrier({ patient: true }); // for ever, unless the job is ended
  else if (how === 'exception') throw new Error('thrown on purpose');
  else if (how === 'exit') process.exit(3);
  else if (how === 'abort') process.abort();
  else { process.kill(process.pid, how); await sleep(60000); }
}
console.log('end', staged ? 'staged' : 'unstaged');
`;

describe('the end of a staged job', () => {
  let app: Application;
  let base: string;
  before(() => {
    base = mkdtempSync(join(tmpdir(), 'walla-exits-'));
    app = new Application({
      'app.mjs': PROGRAM,
      'size.mjs': `const { world } = await import(process.env.MPI_MODULE);
        try { console.log('size', world.size); } catch (error) { console.log(error.code, error.message); }`,
    });
    packProgram(app.path('app.mjs'), app.path('app.walla'));
    packProgram(app.path('size.mjs'), app.path('size.walla'));
  });
  after(() => {
    app.remove();
    rmSync(base, { recursive: true });
  });

  const launcher = (mpi: Mpi): string[] => [mpi.command, ...mpi.args, '-np', String(RANKS)];
  const environment = (): Record<string, string> => ({
    WALLA_ARCHIVE: app.path('app.walla'),
    WALLA_DIR: base,
    MPI_MODULE: join(packageRoot, 'dist/mpi.js'),
  });
  const node = (...args: string[]): string[] => [process.execPath, '--import', preload, ...args];

  async function end(mpi: Mpi, how: string): Promise<Ended> {
    const ended = await runJob(
      [...launcher(mpi), ...node(app.path('app.mjs'), how)],
      environment(),
    );
    assert.equal(ended.timedOut, false, `${how} did not end: ${ended.stderr}`);
    return ended;
  }

  /** Share of a core that each rank used, from shells around them, least first. */
  async function cpuShares(mpi: Mpi, how: string, env: Record<string, string>): Promise<number[]> {
    const script = `TIMEFORMAT='cpu %R %U %S'; time "$0" "$@"`;
    const words = [...launcher(mpi), 'bash', '-c', script, ...node(app.path('app.mjs'), how)];
    const { code, stderr } = await runJob(words, { ...environment(), ...env });
    assert.equal(code, 0, stderr);
    const shares = [...stderr.matchAll(/cpu ([\d.]+) ([\d.]+) ([\d.]+)/g)].map(
      ([, wall, user, system]) => (Number(user) + Number(system)) / Number(wall),
    );
    assert.equal(shares.length, RANKS, stderr);
    return shares.sort((a, b) => a - b);
  }

  for (const mpi of mpis) {
    describe(`under ${mpi.abi}`, { skip: mpi.skip, concurrency: 2 }, () => {
      const failures: (readonly [string, number | undefined])[] = [
        ['exception', 1],
        ['exit', 3],
        ['abort', undefined],
        ['SIGKILL', undefined],
        ...(all ? [['SIGTERM', undefined] as const, ['SIGSEGV', undefined] as const] : []),
      ];
      for (const [how, status] of failures) {
        it(`comes when one rank ends by ${how}, with its status`, async () => {
          const { code, stdout } = await end(mpi, how);
          if (status === undefined) assert.notEqual(code, 0);
          else assert.equal(code, status);
          assert.doesNotMatch(stdout, /^end /m);
        });
      }

      for (const how of ['in-order', 'in-reverse']) {
        it(`is the same whichever rank is first (${how})`, async () => {
          const { code, stdout, stderr } = await end(mpi, how);
          assert.equal(stderr, '');
          assert.equal(stdout, 'end staged\n'.repeat(RANKS));
          assert.equal(code, 0);
        });
      }

      it('does not make ranks spin that wait while rank 0 packs', async () => {
        const shares = await cpuShares(mpi, 'in-order', { WALLA_FAULT: 'locate:delay:0' });
        assert.ok((shares.at(-1) ?? 1) < MOST_CPU_SHARE, shares.join());
      });

      it(
        'does not make ranks spin that have ended before the others',
        { skip: !all && 'npm run test:faults' },
        async () => {
          const shares = await cpuShares(mpi, 'late', {});
          assert.ok((shares.at(-1) ?? 1) < MOST_CPU_SHARE, shares.join());
        },
      );

      it('leaves MPI used up: further programs of the ranks are staged without it', async () => {
        const program = (name: string, ...args: string[]): string =>
          `WALLA_ARCHIVE=${app.path(`${name}.walla`)} ${node(app.path(`${name}.mjs`), ...args).join(' ')}`;
        const script = [
          program('app', 'in-order'),
          program('app', 'plain'),
          program('size'),
          'echo directory $PMIX_SERVER_TMPDIR',
        ].join(' && ');
        const { code, stdout, stderr } = await runJob(
          [...launcher(mpi), 'sh', '-c', script],
          environment(),
        );
        assert.equal(stderr, '');
        assert.equal(code, 0);
        assert.equal(stdout.match(/^end staged$/gm)?.length, 2 * RANKS, stdout);
        assert.equal(
          stdout.match(/^ERR_WALLA_MPI an earlier program of this rank has used MPI/gm)?.length,
          RANKS,
          stdout,
        );
        // Where the ranks left word of it, it went with the job.
        for (const [, directory = ''] of stdout.matchAll(/^directory (\/.*)$/gm))
          assert.equal(existsSync(directory), false, directory);
      });
    });
  }

  it('leaves nothing behind once the next job is through', async () => {
    const { code } = await runJob(node(app.path('app.mjs'), 'plain'), environment());
    assert.equal(code, 0);
    assert.deepEqual(leftBehind(base), []);
  });
});
