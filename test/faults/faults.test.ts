/**
 * Something goes wrong at each point of staging, on a rank in each role. Whatever it is: the job ends, all
 * ranks have one outcome, one message says what and where, and the node is clean after the next job.
 */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir, hostname } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { Cluster } from '../cluster/cluster.ts';
import { leftBehind, mpis, preload } from '../run-node.ts';
import { all, type Case, clusterCases, nodeCases, selfCases } from './cases.ts';
import { checkEnd, type Ended, faultEnvironment, title } from './expect.ts';
import { runJob } from './job.ts';
import { Pool } from './pool.ts';
import { FaultProgram } from './program.ts';

/** Jobs at a time: most of a walk is waiting. */
const CONCURRENCY = all ? 4 : 2;
const NODES = 4;
const skip = Cluster.unavailableReason() ?? false;

let program: FaultProgram;
before(() => {
  program = new FaultProgram();
});
after(() => {
  program.remove();
});

const words = (): string[] => [process.execPath, '--import', preload, program.entry];
const ranksOf = ({ slots }: Case): number => slots.reduce((sum, n) => sum + n, 0);

describe('a fault on one of several nodes', { skip, concurrency: CONCURRENCY }, () => {
  let clusters: Pool<Cluster>;
  before(async () => {
    const starts = Array.from({ length: CONCURRENCY }, () =>
      Cluster.start({ nodes: NODES, shm: '64m' }),
    );
    clusters = new Pool(await Promise.all(starts));
  });
  after(async () => {
    await Promise.all(clusters.all.map((cluster) => cluster.stop()));
  });

  /** Images on the nodes that are published but are not the archive, and everything else there is. */
  async function left(cluster: Cluster): Promise<{ partial: string; names: string }> {
    const script = `find /dev/shm -name image -not -path '*.partial/*' -exec sh -c 'cmp -s "$1" "$0" || echo "$1"' ${program.archive} {} \\; ; echo --; ls -d /dev/shm/walla-* 2>/dev/null`;
    const found = await Promise.all(cluster.nodes.map((node) => node.run(['sh', '-c', script])));
    const [partial = [], names = []] = [0, 1].map((part) =>
      found.map(({ stdout }) => stdout.split('--\n')[part] ?? ''),
    );
    return { partial: partial.join(''), names: names.join('') };
  }

  function job(cluster: Cluster, faulty: Case, env: Record<string, string>): Promise<Ended> {
    const { slots, mpi } = faulty;
    return cluster.mpirun(words(), {
      slots,
      mpi,
      timeoutMs: 90_000,
      env: { WALLA_ARCHIVE: program.archive, NO_COLOR: '1', FORCE_COLOR: undefined, ...env },
    });
  }

  for (const faulty of clusterCases()) {
    it(title(faulty), () =>
      clusters.use(async (cluster) => {
        try {
          await meet(cluster, faulty);
        } finally {
          // What one case leaves is not to be held against the next.
          for (const node of cluster.nodes) await node.run(['sh', '-c', 'rm -rf /dev/shm/walla-*']);
        }
      }),
    );
  }

  async function meet(cluster: Cluster, faulty: Case): Promise<void> {
    const output = program.output(ranksOf(faulty));
    const hosts = cluster.nodes.map(({ name }) => name);
    checkEnd(faulty, await job(cluster, faulty, faultEnvironment(faulty)), output, hosts);
    const after = await left(cluster);
    assert.equal(after.partial, '', 'published, but not whole');
    if (after.names === '') return;
    // Only a process that had no chance to clean up may leave something, and only till the next job.
    assert.match(faulty.fault, /kill|stop/, after.names);
    const next = await job(cluster, faulty, {});
    assert.equal(next.code, 0, next.stderr);
    assert.equal(next.stdout, output);
    assert.equal((await left(cluster)).names, '');
  }
});

for (const mpi of mpis) {
  describe(
    `a fault on one node under ${mpi.abi}`,
    { skip: mpi.skip, concurrency: CONCURRENCY },
    () => {
      for (const faulty of nodeCases(mpi.abi)) {
        it(title(faulty), () =>
          onThisNode(faulty, [mpi.command, ...mpi.args, '-np', String(ranksOf(faulty))]),
        );
      }
    },
  );
}

describe('a fault in one process without MPI', { concurrency: CONCURRENCY }, () => {
  for (const faulty of selfCases()) it(title(faulty), () => onThisNode(faulty, []));
});

async function onThisNode(faulty: Case, launcher: string[]): Promise<void> {
  const base = mkdtempSync(join(tmpdir(), 'walla-faults-'));
  try {
    const output = program.output(ranksOf(faulty));
    const run = (env: Record<string, string>): Promise<Ended> =>
      runJob([...launcher, ...words()], {
        WALLA_ARCHIVE: program.archive,
        WALLA_DIR: base,
        ...env,
      });
    checkEnd(faulty, await run(faultEnvironment(faulty)), output, [hostname()]);
    if (leftBehind(base).length === 0) return;
    assert.match(faulty.fault, /kill|stop/);
    const next = await run({});
    assert.equal(next.code, 0, next.stderr);
    assert.equal(next.stdout, output);
    assert.deepEqual(leftBehind(base), []);
  } finally {
    rmSync(base, { recursive: true, force: true });
  }
}
