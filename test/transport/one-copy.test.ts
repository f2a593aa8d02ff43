/** Jobs without MPI, and jobs that choose their transport: one copy a node, one look at the archive. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { closeSync, readdirSync, readFileSync, readlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { gzipSync } from 'node:zlib';
import { loadAddon } from '../../native/load-addon.ts';
import { PLACING, StagingDirectory } from '../../stage/staging-directory.ts';
import { leftBehind, mpis, preload, type Outcome } from '../run-node.ts';
import { Fixture, start } from './run.ts';
import { serveWell, withServer } from './server.ts';

const hasStrace = spawnSync('strace', ['-V']).status === 0;
const PROCESSES = 6;
/** Long enough that all of a node find the image before the first of them ends. */
const FILES = {
  'app.mjs': `import './words.mjs';\nsetTimeout(() => console.log('done'), 2000);\n`,
  'words.mjs': `export const words = ${JSON.stringify('word '.repeat(400_000))};\n`,
};

/** Starts processes, and lets none of them at the node's lock before all wait for it, asleep. */
async function together<T>(base: string, count: number, startAll: () => Promise<T>): Promise<T> {
  const addon = loadAddon();
  const { path } = new StagingDirectory(base);
  const userFd = addon.openPrivateDirectory(path, true);
  const lockFd = addon.openPrivateFileAt(userFd, PLACING, 'open');
  addon.lock(lockFd, 'exclusive', true);
  const lockPath = join(path, PLACING);
  const done = startAll();
  try {
    for (let tries = 0; ; tries++) {
      // This process has it open too.
      const waiting = processesWith(lockPath) - 1;
      if (waiting === count) break;
      assert.ok(tries < 600, `${waiting} of ${count} processes wait for the lock`);
      await sleep(100);
    }
  } finally {
    closeSync(lockFd);
    closeSync(userFd);
  }
  return done;
}

/** How many processes have a file open; they try its lock now and then, which the kernel does not list. */
function processesWith(path: string): number {
  const opens = (pid: string): boolean => {
    try {
      return readdirSync(`/proc/${pid}/fd`).some((fd) => {
        try {
          return readlinkSync(`/proc/${pid}/fd/${fd}`) === path;
        } catch {
          return false;
        }
      });
    } catch {
      return false; // it has ended
    }
  };
  return readdirSync('/proc').filter((name) => /^\d+$/.test(name) && opens(name)).length;
}

/** How many of these processes, or nodes, received the image: WALLA_VERBOSE says it. */
function received(outcomes: readonly Outcome[]): number {
  let sum = 0;
  for (const { status, stderr } of outcomes) {
    assert.equal(status, 0, stderr);
    sum += Number(/; (\d+) nodes received it/.exec(stderr)?.[1]);
  }
  return sum;
}

describe('processes that start together without MPI', () => {
  let fixture: Fixture;
  before(() => (fixture = new Fixture(FILES)));
  after(() => fixture.remove());

  const startAll = (env: NodeJS.ProcessEnv, bases: readonly string[]): Promise<Outcome[]> =>
    Promise.all(
      bases.map((base) => fixture.start({ WALLA_VERBOSE: '1', ...env, WALLA_DIR: base }).done),
    );
  const startOnOneNode = async (env: NodeJS.ProcessEnv): Promise<Outcome[]> => {
    const base = fixture.directory('base');
    const bases = Array<string>(PROCESSES).fill(base);
    const outcomes = await together(base, PROCESSES, () => startAll(env, bases));
    assert.deepEqual(leftBehind(base), []);
    return outcomes;
  };

  for (const transport of ['auto', 'file', 'self', 'mpi']) {
    test(`copy the archive once by ${transport}`, async () => {
      const env = { WALLA_ARCHIVE: fixture.archive, WALLA_TRANSPORT: transport };
      assert.equal(received(await startOnOneNode(env)), 1);
    });
  }

  test('copy it once on each node of a job array', async () => {
    const [first, second] = [fixture.directory('base'), fixture.directory('base')];
    const bases = [first, second, first, second];
    const outcomes = await together(first, 2, () =>
      together(second, 2, () => startAll({ WALLA_ARCHIVE: fixture.archive }, bases)),
    );
    assert.equal(received(outcomes), 2);
    assert.deepEqual([...leftBehind(first), ...leftBehind(second)], []);
  });

  test('check for themselves what was checked before they started', async () => {
    const base = fixture.directory('base');
    const env = { WALLA_DIR: base, WALLA_KEEP: '1', WALLA_VERBOSE: '1' };
    await withServer(serveWell(readFileSync(fixture.archive)), async (running) => {
      const archive = { WALLA_ARCHIVE: running.url('/app.walla'), WALLA_DOWNLOADS: 'off' };
      assert.equal(received([await fixture.start({ ...env, ...archive }).done]), 1);
      assert.equal(received([await fixture.start({ ...env, ...archive }).done]), 0);
      assert.equal(running.seen.length, 2);
    });
  });

  test('download it once, even if no download is kept', async () => {
    const server = serveWell(readFileSync(fixture.archive));
    await withServer(server, async (running) => {
      const env = { WALLA_ARCHIVE: running.url('/app.walla'), WALLA_DOWNLOADS: 'off' };
      assert.equal(received(await startOnOneNode(env)), 1);
      assert.equal(running.seen.length, 1);
    });
  });

  test(
    'compare the archive with the source tree once',
    { skip: hasStrace ? false : 'strace is not installed' },
    async () => {
      const log = join(fixture.root, 'calls');
      const staged = `"$NODE" --import ${preload} ${fixture.app.path('app.mjs')}`;
      const script = `for process in 1 2 3 4; do ${staged} & done; wait`;
      const words = ['-f', '-qq', '-e', 'trace=%file', '-o', log, 'sh', '-c', script];
      const base = fixture.directory('base');
      const env = { NODE: process.execPath, WALLA_DIR: base, WALLA_ARCHIVE: fixture.archive };
      const outcome = await together(base, 4, () => start('strace', words, env).done);
      assert.equal(outcome.stdout, 'done\n'.repeat(4), outcome.stderr);
      const calls = readFileSync(log, 'utf8').match(/"[^"]*words\.mjs"/g);
      assert.equal(calls?.length, 1, calls?.join());
    },
  );
});

describe('a chosen transport', () => {
  let fixture: Fixture;
  before(
    () => (fixture = new Fixture({ 'app.mjs': `console.log('done');\n`, 'package.json': '{}' })),
  );
  after(() => fixture.remove());

  const refused = (outcome: Outcome, message: RegExp): void => {
    assert.match(outcome.stderr, message);
    assert.equal(outcome.stdout, '');
    assert.notEqual(outcome.status, 0);
  };

  test('of another name is refused', async () => {
    const env = { WALLA_ARCHIVE: fixture.archive, WALLA_TRANSPORT: 'htp' };
    refused(await fixture.start(env).done, /ERR_WALLA_OPTION: .*did you mean "http"/);
  });

  test('may be a wrong number of seconds no more than a wrong name', async () => {
    for (const seconds of ['0', '-1', 'soon', '1e9'])
      refused(
        await fixture.start({ WALLA_ARCHIVE: fixture.archive, WALLA_HTTP_TIMEOUT: seconds }).done,
        /ERR_WALLA_OPTION: WALLA_HTTP_TIMEOUT is/,
      );
  });

  for (const mpi of mpis) {
    for (const transport of ['file', 'self', 'mpi'])
      test(`is ${transport} under ${mpi.abi}`, { skip: mpi.skip }, async () => {
        const base = fixture.directory('base');
        const env = { WALLA_DIR: base, WALLA_ARCHIVE: fixture.archive, WALLA_VERBOSE: '1' };
        const done = fixture.start({ ...env, WALLA_TRANSPORT: transport }, { mpi }).done;
        assert.equal(received([await done]), 1);
        assert.deepEqual(leftBehind(base), []);
      });
  }

  test('of "file" copies what one node alone downloads or unpacks', async () => {
    const gz = join(fixture.root, 'app.walla.gz');
    writeFileSync(gz, gzipSync(readFileSync(fixture.archive)));
    const env = { WALLA_DIR: fixture.directory('base'), WALLA_ARCHIVE: gz, WALLA_VERBOSE: '1' };
    assert.equal(received([await fixture.start({ ...env, WALLA_TRANSPORT: 'file' }).done]), 1);
  });
});
