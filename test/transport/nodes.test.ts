/** Chosen transports on several nodes, each with a /dev/shm and a 127.0.0.1 of its own. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { once } from 'node:events';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { Cluster, type RunResult } from '../cluster/cluster.ts';
import { Application, packProgram, preload } from '../run-node.ts';

const skip = Cluster.unavailableReason() ?? false;
const NODES = 3;
const PORT = 8080;
const URL_HERE = `http://127.0.0.1:${PORT}/app.walla`;
const ASSET_BYTES = 8 * 1024 * 1024;
/** What MPI itself sends. */
const OTHER_BYTES = 3 * 1024 * 1024;
const server = fileURLToPath(new URL('programs/serve.mjs', import.meta.url));

describe('a chosen transport on several nodes', { skip }, () => {
  let cluster: Cluster;
  let app: Application;
  let archive: string;

  before(async () => {
    app = new Application({
      'app.mjs': `import './words.mjs';\nconsole.log('done');\n`,
      'words.mjs': `export const words = '${randomBytes(ASSET_BYTES / 2).toString('hex')}';\n`,
    });
    archive = app.path('app.walla');
    packProgram(app.path('app.mjs'), archive);
    cluster = await Cluster.start({ nodes: NODES, shm: '64m' });
  });
  after(async () => {
    await cluster.stop();
    app.remove();
  });

  const job = (env: Record<string, string>): Promise<RunResult> =>
    cluster.mpirun([process.execPath, '--import', preload, app.path('app.mjs')], {
      slots: [2, 1, 1],
      timeoutMs: 120_000,
      env: { WALLA_ARCHIVE: archive, WALLA_VERBOSE: '1', WALLA_DOWNLOADS: 'off', ...env },
    });

  /** @returns bytes that came to each node over the network meanwhile */
  const traffic = async (action: () => Promise<void>): Promise<number[]> => {
    const before = cluster.nodes.map((node) => node.traffic().receivedBytes);
    await action();
    return cluster.nodes.map((node, at) => node.traffic().receivedBytes - (before[at] ?? 0));
  };

  const assertStaged = async ({ code, stdout, stderr }: RunResult): Promise<void> => {
    assert.equal(code, 0, stderr);
    assert.equal(stdout, 'done\n'.repeat(4));
    assert.match(stderr, new RegExp(`; ${NODES} nodes received it`));
    await assertNothingLeft();
  };

  const assertNothingLeft = async (): Promise<void> => {
    for (const node of cluster.nodes) {
      const { stdout } = await node.run(['find', '/dev/shm', '-name', 'walla*']);
      assert.equal(stdout, '');
    }
  };

  /** Runs with a server on every node. @returns how often each was asked */
  const withServers = async (action: () => Promise<void>): Promise<number[]> => {
    const asked: number[] = [];
    const running = await Promise.all(
      cluster.nodes.map(async (node, at) => {
        const child = node.spawn([process.execPath, server, archive, String(PORT)]);
        asked[at] = 0;
        await once(child.stdout ?? child, 'data');
        child.stdout?.on('data', (text: Buffer) => {
          asked[at] = (asked[at] ?? 0) + text.toString().split('asked').length - 1;
        });
        return child;
      }),
    );
    try {
      await action();
    } finally {
      for (const child of running) child.kill();
    }
    return asked;
  };

  test('is file: every node copies the archive, and nothing of it is on the network', async () => {
    const received = await traffic(async () =>
      assertStaged(await job({ WALLA_TRANSPORT: 'file' })),
    );
    for (const bytes of received) assert.ok(bytes < OTHER_BYTES, received.join());
  });

  test('is http: every node downloads by itself', async () => {
    let received: number[] = [];
    const asked = await withServers(async () => {
      received = await traffic(async () =>
        assertStaged(await job({ WALLA_TRANSPORT: 'http', WALLA_ARCHIVE: URL_HERE })),
      );
    });
    assert.deepEqual(asked, [1, 1, 1]);
    for (const bytes of received) assert.ok(bytes < OTHER_BYTES, received.join());
  });

  test('is mpi for a URL unless another is chosen: the root alone downloads', async () => {
    let received: number[] = [];
    const asked = await withServers(async () => {
      received = await traffic(async () => assertStaged(await job({ WALLA_ARCHIVE: URL_HERE })));
    });
    assert.deepEqual(asked, [1, 0, 0]);
    const { size } = statSync(archive);
    assert.ok((received[1] ?? 0) >= size && (received[2] ?? 0) >= size, received.join());
  });

  test('fails on all when one node cannot reach the archive', async () => {
    const [first, , last] = cluster.nodes;
    assert.ok(first && last);
    const local = '/dev/shm/app.walla';
    for (const node of [first, last]) await node.run(['cp', archive, local]);
    try {
      const { code, stdout, stderr } = await job({ WALLA_TRANSPORT: 'file', WALLA_ARCHIVE: local });
      assert.notEqual(code, 0);
      assert.equal(stdout, '');
      assert.match(stderr, /\[rank 2@nid002\] ERR_WALLA_TRANSFER: .*\/dev\/shm\/app\.walla/);
      assert.equal(stderr.match(/ERR_WALLA_/g)?.length, 1);
      await assertNothingLeft();
    } finally {
      for (const node of [first, last]) await node.run(['rm', local]);
    }
  });

  test('fails on all when one node has another archive at that path', async () => {
    const local = '/dev/shm/app.walla';
    const other = app.path('other.walla');
    const bytes = readFileSync(archive);
    writeFileSync(other, bytes.fill('y', bytes.length >> 1, (bytes.length >> 1) + 9));
    for (const [at, node] of cluster.nodes.entries())
      await node.run(['cp', at === 1 ? other : archive, local]);
    try {
      const { code, stderr } = await job({ WALLA_TRANSPORT: 'file', WALLA_ARCHIVE: local });
      assert.notEqual(code, 0);
      assert.match(stderr, /\[rank 2@nid002\] ERR_WALLA_ARCHIVE_DAMAGED: .*digest/);
      await assertNothingLeft();
    } finally {
      for (const node of cluster.nodes) await node.run(['rm', local]);
    }
  });

  test('has no room to unpack a compressed archive: one error on all ranks, with the numbers', async () => {
    const gz = app.path('app.walla.gz');
    writeFileSync(gz, gzipSync(readFileSync(archive), { level: 1 }));
    const [first] = cluster.nodes;
    assert.ok(first);
    const fill = ['dd', 'if=/dev/zero', 'of=/dev/shm/fill', 'bs=1M', 'count=60', 'status=none'];
    await first.run(fill);
    try {
      const { code, stdout, stderr } = await job({ WALLA_ARCHIVE: gz });
      assert.notEqual(code, 0);
      assert.equal(stdout, '');
      assert.match(stderr, /\[rank 0@nid001\] ERR_WALLA_NO_SPACE: .*needs .* MiB, .* MiB are free/);
      await assertNothingLeft();
    } finally {
      await first.run(['rm', '/dev/shm/fill']);
    }
  });

  test('that cannot work is refused on all', async () => {
    const gz = app.path('app.walla.gz');
    writeFileSync(gz, gzipSync(readFileSync(archive), { level: 1 }));
    const wrong: [Record<string, string>, RegExp][] = [
      [
        { WALLA_TRANSPORT: 'self' },
        /ERR_WALLA_OPTION: .*serves one node; this job has 3 \(and 2 more ranks alike\)/,
      ],
      [{ WALLA_TRANSPORT: 'http' }, /ERR_WALLA_OPTION: .*WALLA_ARCHIVE no URL/],
      [{ WALLA_TRANSPORT: 'file', WALLA_ARCHIVE: gz }, /ERR_WALLA_OPTION: .*cannot copy it/],
    ];
    for (const [env, message] of wrong) {
      const { code, stdout, stderr } = await job(env);
      assert.notEqual(code, 0);
      assert.equal(stdout, '');
      assert.match(stderr, message);
      await assertNothingLeft();
    }
  });
});
