import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { statSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';
import { Application, cli, packProgram, preload } from '../run-node.ts';
import { Cluster, type ClusterNode, type RunResult } from './cluster.ts';

const skip = Cluster.unavailableReason() ?? false;

/** Large enough that a second copy on the wire cannot hide among MPI's own messages. */
const ASSET_BYTES = 12 * 1024 * 1024;
/** Other traffic of a job on one node: MPI's start and end, acknowledgements, output. */
const OTHER_BYTES = 3 * 1024 * 1024;

/** Ranks on each node. */
const LAYOUTS = [[1], [4], [2, 2], [1, 1, 1, 1], [1, 3, 2], [2, 2, 2, 2]];

const PROGRAM = `
import { readFileSync } from 'node:fs';
import { hostname } from 'node:os';
import dep from 'dep';
const asset = readFileSync(new URL('./asset.bin', import.meta.url));
console.log('host', hostname(), dep, asset.length, import.meta.url);
if (process.argv[2] === 'fail') process.exit(3);
`;

describe('staging on several nodes', { skip }, () => {
  let cluster: Cluster;
  let app: Application;
  let archive: string;
  let archiveBytes: number;

  before(async () => {
    app = new Application({
      'app.mjs': PROGRAM,
      'asset.bin': randomBytes(ASSET_BYTES).toString('latin1').slice(0, ASSET_BYTES),
      'node_modules/dep/package.json': '{"name":"dep","type":"module","exports":"./index.js"}',
      'node_modules/dep/index.js': 'export default "dep";',
    });
    archive = app.path('app.walla');
    packProgram(app.path('app.mjs'), archive);
    archiveBytes = statSync(archive).size;
    cluster = await Cluster.start({ nodes: 4, shm: '64m' });
  });
  after(async () => {
    await cluster.stop();
    app.remove();
  });

  function job(slots: number[], env: Record<string, string> = {}): Promise<RunResult> {
    return cluster.mpirun([process.execPath, '--import', preload, app.path('app.mjs')], {
      slots,
      timeoutMs: 120_000,
      env: { WALLA_ARCHIVE: archive, WALLA_VERBOSE: '1', ...env },
    });
  }

  async function images(node: ClusterNode): Promise<string[]> {
    const { stdout } = await node.run(['find', '/dev/shm', '-name', 'image']);
    return stdout.split('\n').filter(Boolean);
  }

  for (const slots of LAYOUTS) {
    const ranks = slots.reduce((sum, count) => sum + count, 0);
    test(`${ranks} ranks laid out as ${slots.join('+')} receive one archive a node`, async () => {
      const before = cluster.nodes.map((node) => node.traffic());
      const { code, stdout, stderr } = await job(slots);
      assert.equal(code, 0, stderr);
      const hosts = stdout
        .trim()
        .split('\n')
        .map((line) => line.split(' ')[1]);
      const expected = slots.flatMap((count, index) =>
        Array.from({ length: count }, () => cluster.nodes[index]?.name),
      );
      assert.deepEqual(hosts.sort(), expected.sort());
      assert.match(stderr, new RegExp(`for ${ranks} ranks; ${slots.length} nodes received it`));
      for (const [index, node] of cluster.nodes.entries()) {
        const received = node.traffic().receivedBytes - (before[index]?.receivedBytes ?? 0);
        // Node 0 reads the archive itself; the others receive it once, however many ranks they have.
        const wanted = index > 0 && index < slots.length ? archiveBytes : 0;
        assert.ok(
          received >= wanted && received < wanted + OTHER_BYTES,
          `node ${index} received ${received} bytes`,
        );
        assert.deepEqual(await images(node), []);
      }
    });
  }

  test('a kept image serves the next job: one image a node, nothing transferred', async () => {
    const first = await job([2, 2, 2, 2], { WALLA_KEEP: '1' });
    assert.equal(first.code, 0, first.stderr);
    for (const node of cluster.nodes) assert.equal((await images(node)).length, 1);
    const before = cluster.nodes.map((node) => node.traffic());
    const second = await job([2, 2, 2, 2], { WALLA_KEEP: '1' });
    assert.equal(second.code, 0, second.stderr);
    assert.match(second.stderr, /0 nodes received it/);
    for (const [index, node] of cluster.nodes.entries()) {
      const received = node.traffic().receivedBytes - (before[index]?.receivedBytes ?? 0);
      assert.ok(received < OTHER_BYTES, `node ${index} received ${received} bytes`);
    }
  });

  test('one node without the image receives it, those that have it take no part', async () => {
    const lacking = cluster.nodes[2];
    assert.ok(lacking);
    await lacking.run(['sh', '-c', 'rm -rf /dev/shm/walla-*']);
    const before = cluster.nodes.map((node) => node.traffic());
    const { code, stderr } = await job([1, 1, 1, 1]);
    assert.equal(code, 0, stderr);
    assert.match(stderr, /; 1 nodes received it/);
    for (const [index, node] of cluster.nodes.entries()) {
      const received = node.traffic().receivedBytes - (before[index]?.receivedBytes ?? 0);
      const wanted = node === lacking ? archiveBytes : 0;
      assert.ok(
        received >= wanted && received < wanted + OTHER_BYTES,
        `node ${index} received ${received} bytes`,
      );
    }
    for (const node of cluster.nodes) await node.run(['sh', '-c', 'rm -rf /dev/shm/walla-*']);
  });

  for (const full of [0, 2]) {
    test(`a full tmpfs on node ${full} stops all ranks with one error that names it`, async () => {
      const node = cluster.nodes[full];
      assert.ok(node);
      await node.run([
        'dd',
        'if=/dev/zero',
        'of=/dev/shm/fill',
        'bs=1M',
        'count=60',
        'status=none',
      ]);
      try {
        const { code, stdout, stderr, timedOut } = await job([1, 2, 1, 1]);
        assert.equal(timedOut, false);
        assert.notEqual(code, 0);
        assert.equal(stdout, '');
        const rank = full === 0 ? 0 : 3;
        assert.match(
          stderr,
          new RegExp(`\\[rank ${rank}@${node.name}\\] ERR_WALLA_NO_SPACE: archive needs .* MiB`),
        );
        assert.equal(stderr.match(/ERR_WALLA_/g)?.length, 1, stderr);
        for (const each of cluster.nodes) {
          const { stdout: left } = await each.run([
            'sh',
            '-c',
            'ls -d /dev/shm/walla-* 2>/dev/null',
          ]);
          assert.equal(left, '', `${each.name} kept ${left}`);
        }
      } finally {
        await node.run(['rm', '/dev/shm/fill']);
      }
    });
  }

  test('walla run prestages each node once, its ranks receive nothing, and nothing stays', async () => {
    const launch = (slots: number[], ...program: string[]) => {
      const [command = '', ...words] = cluster.mpirunCommand([], { slots });
      const ranks = words[words.indexOf('-n') + 1] ?? '';
      const launcher = [command, ...words.filter((word) => !['-n', ranks].includes(word))].join(
        ' ',
      );
      const options = ['--launcher', launcher, '-n', ranks, '--archive', archive, '--verbose'];
      return cluster.run(
        [process.execPath, cli, 'run', ...options, '--', process.execPath, ...program],
        {
          timeoutMs: 120_000,
        },
      );
    };
    const { code, stdout, stderr } = await launch([2, 2, 2], app.path('app.mjs'));
    assert.equal(code, 0, stderr);
    assert.equal(stdout.trim().split('\n').length, 6);
    assert.match(stderr, /is on 3 nodes, 3 received it/);
    assert.match(stderr, /for 6 ranks; 0 nodes received it/);
    for (const node of cluster.nodes) assert.deepEqual(await leftOn(node), []);

    // Ranks that are killed leave what walla run then removes from the other nodes too.
    const failed = await launch([1, 1], app.path('app.mjs'), 'fail');
    assert.equal(failed.code, 3, failed.stderr);
    for (const node of cluster.nodes) assert.deepEqual(await leftOn(node), []);
  });

  async function leftOn(node: ClusterNode): Promise<string[]> {
    const { stdout } = await node.run(['find', '/dev/shm', '-name', 'walla*']);
    return stdout.split('\n').filter(Boolean);
  }
});
