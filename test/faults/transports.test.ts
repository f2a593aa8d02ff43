/**
 * Something goes wrong while leaders copy or download the archive by themselves: as in the other walk, the job ends, with
 * one outcome on all ranks, and every message names the rank, since no leader waits for another within the transfer.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { after, before, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { Cluster } from '../cluster/cluster.ts';
import { ArchiveServer, serveWell } from '../transport/server.ts';
import { all, type Case, transportCases, transportSelfCases } from './cases.ts';
import { title } from './expect.ts';
import { meetHere, meetOnCluster } from './meet.ts';
import { Pool } from './pool.ts';
import { FaultProgram } from './program.ts';

/** Jobs at a time: most of a walk is waiting. */
const CONCURRENCY = all ? 4 : 3;
const NODES = 3;
const PORT = 8080;
/** Longer than the longest walk; the end of a cluster ends its servers too. */
const SERVER_SECONDS = '3600';
const skip = Cluster.unavailableReason() ?? false;
const server = fileURLToPath(new URL('../transport/programs/serve.mjs', import.meta.url));

let program: FaultProgram;
before(() => {
  program = new FaultProgram();
});
after(() => {
  program.remove();
});

const environment = ({ transport }: Case, url: string): Record<string, string> => ({
  WALLA_TRANSPORT: transport,
  WALLA_DOWNLOADS: 'off',
  ...(transport === 'http' ? { WALLA_ARCHIVE: url } : {}),
});

describe('a fault where every node fetches by itself', { skip, concurrency: CONCURRENCY }, () => {
  let clusters: Pool<Cluster>;
  /** Three nodes, each with a server of its own. */
  async function start(): Promise<Cluster> {
    const cluster = await Cluster.start({ nodes: NODES, shm: '64m' });
    for (const node of cluster.nodes) {
      const words = [process.execPath, server, program.archive, String(PORT), SERVER_SECONDS];
      const child = node.spawn(words);
      await once(child.stdout ?? child, 'data');
      child.stdout?.resume();
      child.unref();
    }
    return cluster;
  }
  before(async () => {
    clusters = new Pool(await Promise.all(Array.from({ length: CONCURRENCY }, start)));
  });
  after(async () => {
    await Promise.all(clusters.all.map((cluster) => cluster.stop()));
  });

  for (const faulty of transportCases()) {
    it(title(faulty), () =>
      clusters.use(async (cluster) => {
        const env = environment(faulty, `http://127.0.0.1:${PORT}/app.walla`);
        await meetOnCluster(cluster, faulty, program, env);
        await noneFetches(cluster);
      }),
    );
  }
});

describe('a fault in one process that fetches', { concurrency: CONCURRENCY }, () => {
  let archives: ArchiveServer;
  before(async () => {
    archives = await new ArchiveServer(serveWell(readFileSync(program.archive))).listen();
  });
  after(() => {
    archives.close();
  });

  for (const faulty of transportSelfCases())
    it(title(faulty), () =>
      meetHere(faulty, [], program, environment(faulty, archives.url('/app.walla'))),
    );
});

/** A process that downloads for a rank that was killed ends by itself. */
async function noneFetches(cluster: Cluster): Promise<void> {
  for (const node of cluster.nodes) {
    const running = async (): Promise<string> =>
      (await node.run(['pgrep', '-f', '[d]ist/fetch.js'])).stdout;
    for (let tries = 0; tries < 100 && (await running()) !== ''; tries++) await sleep(100);
    assert.equal(await running(), '', `still fetching on ${node.name}`);
  }
}
