import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readlinkSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { Cluster } from './cluster.ts';

const here = path.dirname(fileURLToPath(import.meta.url));
const skip = Cluster.unavailableReason({ mpi: 'none' }) ?? false;

/** Namespaces of a cluster have processes in them; this finds all that are not ours. */
function foreignNamespaces(kind: string): Set<string> {
  const own = readlinkSync(`/proc/self/ns/${kind}`);
  const found = new Set<string>();
  for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    try {
      const link = readlinkSync(`/proc/${pid}/ns/${kind}`);
      if (link !== own) found.add(link);
    } catch {
      // It ended in between.
    }
  }
  return found;
}

const namespaceOf = (pid: number, kind: string): string => readlinkSync(`/proc/${pid}/ns/${kind}`);

function expectedLines(nodes: number, perNode: number): string[] {
  return Array.from({ length: nodes * perNode }, (_, rank) => {
    const name = `nid00${Math.floor(rank / perNode) + 1}`;
    return `${rank}/${nodes * perNode} ${name} ${rank % perNode}/${perNode} 42`;
  });
}

describe('a cluster of four nodes', { skip }, () => {
  let cluster: Cluster;
  let directory: string;

  before(async () => {
    directory = mkdtempSync(path.join(tmpdir(), 'walla-cluster-test-'));
    cluster = await Cluster.start({ nodes: 4, shm: '16m' });
  });
  after(async () => {
    await cluster.stop();
    rmSync(directory, { recursive: true });
  });

  for (const mpi of ['openmpi', 'mpich'] as const) {
    const missing = Cluster.unavailableReason({ mpi, programs: [`mpicc.${mpi}`, 'gcc'] }) ?? false;

    test(
      `runs two ranks on each node under ${mpi} and groups them by node`,
      { skip: missing },
      async () => {
        const program = path.join(directory, `hosts-${mpi}`);
        execFileSync(`mpicc.${mpi}`, ['-O1', '-o', program, path.join(here, 'hosts.c')]);
        const sentBefore = cluster.nodes.map((node) => node.traffic());
        const bytes = 4 << 20;
        const result = await cluster.mpirun([program, String(bytes)], { mpi, slots: 2 });
        assert.equal(result.code, 0, result.stderr);
        const byRank = (a: string, b: string) => Number.parseInt(a) - Number.parseInt(b);
        assert.deepEqual(result.stdout.trim().split('\n').sort(byRank), expectedLines(4, 2));
        for (const [index, node] of cluster.nodes.entries()) {
          const received = node.traffic().receivedBytes - (sentBefore[index]?.receivedBytes ?? NaN);
          // The first rank is the root of the broadcast and receives no payload.
          if (index > 0) assert.ok(received >= bytes, `${node.name} received ${received} bytes`);
        }
      },
    );

    test(`reports the exit code of a failing job under ${mpi}`, { skip: missing }, async () => {
      const result = await cluster.mpirun(['sh', '-c', 'exit 3'], { mpi, slots: [0, 1] });
      assert.equal(result.code, 3, result.stderr);
    });
  }

  test('gives every node its own host name, address and PIDs', async () => {
    for (const node of cluster.nodes) {
      const { stdout } = await node.run([
        'sh',
        '-c',
        'hostname; ip -o -4 addr show eth0; ps -e | wc -l',
      ]);
      assert.match(stdout, new RegExp(`^${node.name}\n.*inet ${node.address}/24`));
      assert.ok(Number(stdout.trim().split('\n').at(-1)) < 10, stdout);
    }
  });

  test('lets nodes reach each other by name', async () => {
    const serve = `require('net').createServer((c) => c.end('hi')).listen(7000, () => console.log('up'))`;
    const server = cluster.nodes[1]?.spawn([process.execPath, '-e', serve]);
    assert.ok(server?.stdout);
    await new Promise((resolve) => server.stdout?.once('data', resolve));
    const ask = `require('net').connect(7000, 'nid002').on('data', (d) => console.log(String(d)))`;
    const result = await cluster.nodes[3]?.run([process.execPath, '-e', ask]);
    assert.equal(result?.stdout, 'hi\n');
    const closed = new Promise((resolve) => server.once('close', resolve));
    server.kill();
    await closed;
  });

  test('limits /dev/shm and keeps it to the node', async () => {
    const [first, second] = cluster.nodes;
    const name = `/dev/shm/walla-cluster-${process.pid}`;
    const wrote = await first?.run(['sh', '-c', `echo here > ${name}; cat ${name}`]);
    assert.equal(wrote?.stdout, 'here\n');
    const other = await second?.run(['cat', name]);
    assert.equal(other?.code, 1);
    assert.equal(existsSync(name), false);
    const full = await first?.run(['sh', '-c', `head -c 20000000 /dev/zero > ${name}`]);
    assert.notEqual(full?.code, 0);
    assert.match(full?.stderr ?? '', /No space left/);
    await first?.run(['rm', name]);
  });

  test('stops a command that takes too long', async () => {
    const result = await cluster.nodes[0]?.run(['sleep', '600'], { timeoutMs: 200 });
    assert.equal(result?.timedOut, true);
    let left = '';
    for (let tries = 0; tries < 100; tries++) {
      left = (await cluster.nodes[0]?.run(['pgrep', '-x', 'sleep', '-a']))?.stdout ?? '';
      if (!left.includes('600')) return;
      await sleep(20);
    }
    assert.fail(`still there: ${left}`);
  });
});

describe('a cluster that goes away', { skip }, () => {
  test('leaves no namespace, link, mount or process', async () => {
    const links = execFileSync('ip', ['-o', 'link'], { encoding: 'utf8' });
    const cluster = await Cluster.start({ nodes: 2 });
    const pids = cluster.nodes.map((node) => node.pid);
    const kinds = ['net', 'mnt', 'uts', 'pid'];
    const namespaces = kinds.flatMap((kind) =>
      pids.map((pid) => [kind, namespaceOf(pid, kind)] as const),
    );
    const lingering = cluster.nodes[0]?.spawn(['sh', '-c', 'setsid sleep 600 & exec sleep 600']);
    assert.ok(lingering);
    await cluster.stop();
    for (const pid of pids) assert.equal(existsSync(`/proc/${pid}`), false);
    for (const [kind, name] of namespaces) assert.equal(foreignNamespaces(kind).has(name), false);
    assert.equal(execFileSync('ip', ['-o', 'link'], { encoding: 'utf8' }), links);
    await cluster.stop();
  });

  test('goes with an owner that is killed', async () => {
    const script = `
      const { Cluster } = await import(${JSON.stringify(pathToFileURL(path.join(here, 'cluster.ts')).href)});
      const cluster = await Cluster.start({ nodes: 2 });
      console.log(cluster.nodes.map((node) => node.pid).join(' '));
      setInterval(() => {}, 1000);
    `;
    const owner = spawn(
      process.execPath,
      ['--import', 'tsx', '--input-type=module', '-e', script],
      {
        cwd: here,
        stdio: ['ignore', 'pipe', 'inherit'],
      },
    );
    const line = await new Promise<string>((resolve) =>
      owner.stdout.once('data', (text: Buffer) => resolve(text.toString())),
    );
    const pids = line.trim().split(' ').map(Number);
    assert.equal(pids.length, 2);
    const namespaces = pids.map((pid) => namespaceOf(pid, 'net'));
    owner.kill('SIGKILL');
    for (let tries = 0; tries < 200; tries++) {
      const left = foreignNamespaces('net');
      if (namespaces.every((name) => !left.has(name))) return;
      await sleep(20);
    }
    assert.fail('the nodes are still there');
  });

  test('does not keep its owner alive', async () => {
    const script = `
      const { Cluster } = await import(${JSON.stringify(pathToFileURL(path.join(here, 'cluster.ts')).href)});
      await Cluster.start({ nodes: 1 });
    `;
    const owner = spawn(
      process.execPath,
      ['--import', 'tsx', '--input-type=module', '-e', script],
      {
        cwd: here,
        stdio: 'inherit',
      },
    );
    assert.equal(await new Promise((resolve) => owner.once('close', resolve)), 0);
  });

  test('loses one node and keeps the others', async () => {
    const cluster = await Cluster.start({ nodes: 2 });
    try {
      const [first, second] = cluster.nodes;
      const running = first?.run(['sleep', '600']);
      first?.kill();
      assert.equal((await running)?.signal ?? 'SIGKILL', 'SIGKILL');
      assert.equal((await second?.run(['hostname']))?.stdout, 'nid002\n');
    } finally {
      await cluster.stop();
    }
  });

  test('can be up beside another one', async () => {
    const clusters = await Promise.all([Cluster.start({ nodes: 1 }), Cluster.start({ nodes: 1 })]);
    const names = await Promise.all(
      clusters.flatMap(({ nodes }) => nodes.map((node) => node.run(['hostname']))),
    );
    assert.deepEqual(
      names.map((result) => result.stdout),
      ['nid001\n', 'nid001\n'],
    );
    await Promise.all(clusters.map((cluster) => cluster.stop()));
  });
});
