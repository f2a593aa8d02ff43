/** Runs a job in which something goes wrong, checks how it ends, and that nothing is left after the next. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Cluster } from '../cluster/cluster.ts';
import { leftBehind, preload } from '../run-node.ts';
import type { Case } from './cases.ts';
import { checkEnd, type Ended, faultEnvironment } from './expect.ts';
import { runJob } from './job.ts';
import type { FaultProgram } from './program.ts';

type Environment = Record<string, string>;

export const ranksOf = ({ slots }: Case): number => slots.reduce((sum, n) => sum + n, 0);

const words = (program: FaultProgram): string[] => [
  process.execPath,
  '--import',
  preload,
  program.entry,
];

/** @param env more than the archive and the fault */
export async function meetOnCluster(
  cluster: Cluster,
  faulty: Case,
  program: FaultProgram,
  env: Environment = {},
): Promise<void> {
  const { slots, mpi } = faulty;
  const job = (more: Environment): Promise<Ended> =>
    cluster.mpirun(words(program), {
      slots,
      mpi,
      timeoutMs: 90_000,
      env: {
        WALLA_ARCHIVE: program.archive,
        NO_COLOR: '1',
        FORCE_COLOR: undefined,
        ...env,
        ...more,
      },
    });
  try {
    const output = program.output(ranksOf(faulty));
    const hosts = cluster.nodes.map(({ name }) => name);
    checkEnd(faulty, await job(faultEnvironment(faulty)), output, hosts);
    const after = await left(cluster, program);
    assert.equal(after.partial, '', 'published, but not whole');
    if (after.names === '') return;
    // Only a process that had no chance to clean up may leave something, and only till the next job.
    assert.match(faulty.fault, /kill|stop/, after.names);
    const next = await job({});
    assert.equal(next.code, 0, next.stderr);
    assert.equal(next.stdout, output);
    assert.equal((await left(cluster, program)).names, '');
  } finally {
    // What one case leaves is not to be held against the next.
    for (const node of cluster.nodes) await node.run(['sh', '-c', 'rm -rf /dev/shm/walla-*']);
  }
}

/** Images on the nodes that are published but are not the archive, and everything else there is. */
async function left(
  cluster: Cluster,
  program: FaultProgram,
): Promise<{ partial: string; names: string }> {
  const script = `find /dev/shm -name image -not -path '*.partial/*' -exec sh -c 'cmp -s "$1" "$0" || echo "$1"' ${program.archive} {} \\; ; echo --; ls -d /dev/shm/walla-* 2>/dev/null`;
  const found = await Promise.all(cluster.nodes.map((node) => node.run(['sh', '-c', script])));
  const [partial = [], names = []] = [0, 1].map((part) =>
    found.map(({ stdout }) => stdout.split('--\n')[part] ?? ''),
  );
  return { partial: partial.join(''), names: names.join('') };
}

/**
 * @param launcher words before the program's; none: one process
 * @param env more than the archive and the fault
 */
export async function meetHere(
  faulty: Case,
  launcher: string[],
  program: FaultProgram,
  env: Environment = {},
): Promise<void> {
  const base = mkdtempSync(join(tmpdir(), 'walla-faults-'));
  try {
    const output = program.output(ranksOf(faulty));
    const run = (more: Environment): Promise<Ended> =>
      runJob([...launcher, ...words(program)], {
        WALLA_ARCHIVE: program.archive,
        WALLA_DIR: base,
        ...env,
        ...more,
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
