import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import {
  type Counts,
  requestCount,
  SharedFs,
  type SharedFsOptions,
  type SharedFsReport,
  sum,
} from '../../bench/sharedfs/shared-fs.ts';
import { Cluster, type RunResult } from './cluster.ts';

const skip = Cluster.unavailableReason({ mpi: 'none' }) ?? SharedFs.unavailableReason() ?? false;
const FILES = 40;

describe('the slow shared file system', { skip }, () => {
  let cluster: Cluster;
  let directory: string;

  before(async () => {
    directory = mkdtempSync(path.join(tmpdir(), 'walla-sharedfs-test-'));
    mkdirSync(path.join(directory, 'tree/deep'), { recursive: true });
    for (let i = 0; i < FILES; i++)
      writeFileSync(path.join(directory, `tree/file-${i}`), randomBytes(1000 + i));
    writeFileSync(path.join(directory, 'tree/deep/large'), randomBytes(3 << 20));
    symlinkSync('deep/large', path.join(directory, 'tree/link'));
    cluster = await Cluster.start({ nodes: 2 });
  });
  after(async () => {
    await cluster.stop();
    rmSync(directory, { recursive: true });
  });

  const sh = (node: number, script: string, env = {}): Promise<RunResult> =>
    cluster.nodes[node]?.run(['sh', '-ec', script], { cwd: '/', env }) ?? assert.fail();

  /** Does something on mounted nodes, and says what the server heard. */
  async function watched(
    options: SharedFsOptions,
    body: () => Promise<unknown>,
  ): Promise<SharedFsReport> {
    const shared = await SharedFs.mount(cluster.nodes, directory, options);
    try {
      await body();
    } catch (error) {
      await shared.unmount();
      throw error;
    }
    return shared.unmount();
  }

  const of = (report: SharedFsReport, node: string): Counts =>
    sum(report.counts.get(node)?.values() ?? []);

  test('shows what the directory holds, and takes changes back to it', async () => {
    await watched({ cacheSeconds: 3 }, async () => {
      const listing = `cd ${directory}; find . -type f -o -type l | sort | xargs cksum; readlink tree/link`;
      const [plain, shared] = await Promise.all([
        cluster.run(['sh', '-ec', listing]),
        sh(0, listing),
      ]);
      assert.equal(shared.code, 0, shared.stderr);
      assert.equal(shared.stdout, plain.stdout);
      const changes = await sh(
        1,
        `cd ${directory}; mkdir new; echo one > new/a; echo two >> new/a; mv new/a new/b; ln -s b new/c;
         ln new/b new/d; touch -d @86400 new/b; chmod 640 new/b; stat -c '%Y %a' new/d; cp tree/deep/large new/e;
         cmp new/e tree/deep/large; rm new/e; : > tree/deep/empty; rm tree/deep/empty; stat new/missing || true`,
      );
      assert.equal(changes.stdout, '86400 640\n', changes.stderr);
      assert.match(changes.stderr, /new\/missing.*No such file/);
    });
    assert.equal(readFileSync(path.join(directory, 'new/c'), 'utf8'), 'one\ntwo\n');
    rmSync(path.join(directory, 'new'), { recursive: true });
  });

  test('is not asked for attributes that a client still believes, also of a file it has just read', async () => {
    const script = `cd ${directory}; cat tree/file-1 > /dev/null; stat tree/file-1`;
    const believing = await watched({ cacheSeconds: 30 }, () => sh(0, script));
    assert.equal(of(believing, 'nid001').read, 1);
    assert.equal(of(believing, 'nid001').getattr, 1); // of the mount itself
    const forgetful = await watched({}, () => sh(0, script));
    assert.ok(of(forgetful, 'nid001').getattr > 1);
  });

  test('counts requests by node, rank and kind', async () => {
    const report = await watched({ cacheSeconds: 60, trace: true }, async () => {
      await sh(0, `cat ${directory}/tree/file-0`, { OMPI_COMM_WORLD_RANK: '0' });
      // A child without the launcher's variables belongs to the rank it descends from.
      const child = `env -u OMPI_COMM_WORLD_RANK cat ${directory}/tree/file-1; ls ${directory}/none || true`;
      await sh(1, child, { OMPI_COMM_WORLD_RANK: '5' });
      await sh(1, `readlink ${directory}/tree/link`);
    });
    const [first, second] = ['nid001', 'nid002'].map((name) => report.counts.get(name));
    assert.deepEqual([...(first?.keys() ?? [])], [0]);
    assert.deepEqual([...(second?.keys() ?? [])].sort(), [-1, 5].sort());
    assert.equal(first?.get(0)?.lookup, 2, 'tree, file-0');
    assert.equal(first.get(0)?.open, 1);
    assert.equal(first.get(0)?.bytes, 1000);
    assert.equal(second?.get(5)?.lookup, 3, 'tree, file-1, none');
    assert.equal(second.get(5)?.open, 1);
    assert.equal(second.get(5)?.bytes, 1001);
    assert.equal(second.get(-1)?.readlink, 1);
    assert.equal(second.get(-1)?.open, 0);
    const traced = report.requests.filter(({ kind }) => kind === 'open');
    assert.deepEqual(
      traced.map(({ rank, path }) => [rank, path]),
      [
        [0, '/tree/file-0'],
        [5, '/tree/file-1'],
      ],
    );
  });

  test('asks the server again and again where clients cache nothing', async () => {
    const twice = `for i in 1 2; do cat ${directory}/tree/file-*; ls ${directory}/none || true; done`;
    const cached = of(await watched({ cacheSeconds: 60 }, () => sh(0, twice)), 'nid001');
    const uncached = of(await watched({ cacheSeconds: 0 }, () => sh(0, twice)), 'nid001');
    // Each open is a request with caches too; names and pages are asked for once.
    assert.equal(cached.open, 2 * FILES);
    assert.equal(cached.lookup, FILES + 2, 'the files, tree, none');
    assert.equal(uncached.open, 2 * FILES);
    assert.ok(uncached.lookup >= 2 * FILES + 2, `${uncached.lookup} lookups`);
    assert.equal(uncached.bytes, 2 * cached.bytes);
    assert.ok(requestCount(uncached) > requestCount(cached));
  });

  test('works on one request at a time, whichever node it comes from', async () => {
    // What the server is asked takes it longer than the clients need to ask.
    const metadataUs = 4000;
    const read = `cat ${directory}/tree/file-*`;
    const seconds = async (nodes: number[]): Promise<[number, number]> => {
      let took = NaN;
      const report = await watched({ metadataUs, cacheSeconds: 60 }, async () => {
        const start = performance.now();
        await Promise.all(nodes.map((node) => sh(node, read)));
        took = (performance.now() - start) / 1000;
      });
      const requests = cluster.nodes.map(({ name }) => of(report, name));
      return [took, requestCount(sum(requests)) - sum(requests).read];
    };
    const [alone, requests] = await seconds([0]);
    const [together, both] = await seconds([0, 1]);
    assert.equal(both, 2 * requests);
    // No request is answered before the server could have worked on it, and the second node waits for the first.
    assert.ok(alone >= (requests * metadataUs) / 1e6, `${requests} requests in ${alone} s`);
    assert.ok(together >= (both * metadataUs) / 1e6, `${both} requests in ${together} s`);
  });

  test('takes time for bytes', async () => {
    const mibPerSecond = 10;
    let took = NaN;
    const report = await watched({ mibPerSecond }, async () => {
      const start = performance.now();
      await sh(0, `cat ${directory}/tree/deep/large`);
      took = (performance.now() - start) / 1000;
    });
    assert.equal(of(report, 'nid001').bytes, 3 << 20);
    assert.ok(took >= 3 / mibPerSecond, `3 MiB in ${took} s`);
  });
});
