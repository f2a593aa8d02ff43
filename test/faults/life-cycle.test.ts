/** Images come and go: whatever jobs do to each other and to themselves, the last one out leaves nothing. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, before, beforeEach, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { Application, cli, leftBehind, mpis, packProgram, preload, runNode } from '../run-node.ts';
import { all } from './cases.ts';
import type { Ended } from './expect.ts';
import { runJob } from './job.ts';

const IN_A_ROW = all ? 200 : 20;
const AT_ONCE = all ? 20 : 8;
const OTHER_UID = 23_456;
const isRoot = process.geteuid?.() === 0;

const files = (word: string): Record<string, string> => ({
  'app.mjs': `import { word } from './lib.mjs'; console.log(word, process.env.WALLA_ATTACH ? 'staged' : 'unstaged');`,
  'lib.mjs': `export const word = '${word}';`,
});

describe('the life of images on a node', () => {
  let one: Application;
  let two: Application;
  let base: string;

  before(() => {
    one = new Application(files('one'));
    two = new Application(files('two'));
    for (const app of [one, two]) {
      packProgram(app.path('app.mjs'), app.path('app.walla'));
      chmodSync(app.root, 0o755);
      chmodSync(app.path('app.walla'), 0o644);
    }
  });
  after(() => {
    one.remove();
    two.remove();
  });
  beforeEach(() => {
    base = mkdtempSync(join(tmpdir(), 'walla-life-'));
    // As /dev/shm is.
    chmodSync(base, 0o1777);
  });
  afterEach(() => {
    rmSync(base, { recursive: true });
  });

  const environment = (app: Application): NodeJS.ProcessEnv => ({
    WALLA_ARCHIVE: app.path('app.walla'),
    WALLA_DIR: base,
  });
  const words = (app: Application): string[] => [
    process.execPath,
    '-r',
    preload,
    app.path('app.mjs'),
  ];
  const start = (
    app: Application,
    env: NodeJS.ProcessEnv = {},
    launcher: string[] = [],
  ): Promise<Ended> => runJob([...launcher, ...words(app)], { ...environment(app), ...env });

  function succeeded({ code, stdout, stderr }: Ended, word: string, ranks = 1): void {
    assert.equal(stderr, '');
    assert.equal(stdout, `${word} staged\n`.repeat(ranks));
    assert.equal(code, 0);
  }

  it(`${IN_A_ROW} jobs in a row leave nothing`, async () => {
    for (let job = 0; job < IN_A_ROW; job++) {
      succeeded(await start(one), 'one');
      assert.deepEqual(leftBehind(base), [], `after job ${job + 1}`);
    }
  });

  it(`${AT_ONCE} jobs at once, of two archives, do not disturb each other and leave nothing`, async () => {
    const jobs = Array.from({ length: AT_ONCE }, (_, i) => (i % 2 === 0 ? one : two));
    const rounds = all ? 5 : 1;
    for (let round = 0; round < rounds; round++) {
      const ended = await Promise.all(jobs.map((app) => start(app)));
      ended.forEach((job, i) => succeeded(job, i % 2 === 0 ? 'one' : 'two'));
      assert.deepEqual(leftBehind(base), []);
    }
  });

  for (const mpi of mpis) {
    it(
      `jobs of two archives at once under ${mpi.abi} do not disturb each other`,
      { skip: mpi.skip },
      async () => {
        const launcher = [mpi.command, ...mpi.args, '-np', '2'];
        const apps = all ? [one, two, one, two, one, two] : [one, two];
        const ended = await Promise.all(apps.map((app) => start(app, {}, launcher)));
        ended.forEach((job, i) => succeeded(job, i % 2 === 0 ? 'one' : 'two', 2));
        assert.deepEqual(leftBehind(base), []);
      },
    );
  }

  it('two users do not disturb each other', { skip: !isRoot && 'needs root' }, async () => {
    const asOther = [
      'setpriv',
      '--reuid',
      String(OTHER_UID),
      '--regid',
      String(OTHER_UID),
      '--clear-groups',
    ];
    const readable = runNodeAs(asOther);
    assert.equal(readable, true, 'the other user cannot read this checkout');
    const count = all ? 10 : 4;
    const jobs = Array.from({ length: count }, (_, i) =>
      start(one, {}, i % 2 === 0 ? asOther : []),
    );
    for (const job of await Promise.all(jobs)) succeeded(job, 'one');
    assert.deepEqual(leftBehind(base), []);
    // What one user keeps is nothing to the other.
    succeeded(await start(one, { WALLA_KEEP: '1' }, asOther), 'one');
    succeeded(await start(one), 'one');
    assert.deepEqual(leftBehind(base), [`walla-${OTHER_UID}`]);
    assert.equal(
      readdirSync(join(base, `walla-${OTHER_UID}`)).filter((n) => n !== '.gate').length,
      1,
    );
  });

  /** Whether the other user can run this Node.js and read the preload. */
  function runNodeAs(asOther: string[]): boolean {
    const [command = '', ...args] = asOther;
    return (
      spawnSync(command, [
        ...args,
        process.execPath,
        '-e',
        `require('fs').readFileSync(${JSON.stringify(preload)})`,
      ]).status === 0
    );
  }

  it(
    'a directory of another user at the name of this one is refused',
    { skip: !isRoot && 'needs root' },
    async () => {
      const planted = join(base, `walla-${process.geteuid?.() ?? 0}`);
      mkdirSync(planted, { mode: 0o700 });
      chownSync(planted, OTHER_UID, OTHER_UID);
      const { code, stderr } = await start(one);
      assert.match(stderr, /ERR_WALLA_STAGING_DIRECTORY: .* a directory of uid 23456 /);
      assert.equal(code, 1);
      assert.deepEqual(readdirSync(planted), []);
    },
  );

  describe('of a killed job', () => {
    for (const [point, what] of [
      ['transfer.middle', 'a partial image'],
      ['attach', 'a whole image'],
    ]) {
      it(`${what ?? ''} is removed by the next job, of the same archive or another`, async () => {
        for (const next of [one, two]) {
          await start(one, { WALLA_FAULT: `${point ?? ''}:kill:0` });
          assert.notDeepEqual(leftBehind(base), []);
          succeeded(await start(next), next === one ? 'one' : 'two');
          assert.deepEqual(leftBehind(base), []);
        }
      });

      it(`${what ?? ''} is removed by a job that finds its own image kept`, async () => {
        succeeded(await start(two, { WALLA_KEEP: '1' }), 'two');
        await start(one, { WALLA_FAULT: `${point ?? ''}:kill:0` });
        succeeded(await start(two, { WALLA_KEEP: '1' }), 'two');
        const [user = ''] = leftBehind(base);
        const kept = readdirSync(join(base, user)).filter((name) => !name.startsWith('.'));
        assert.equal(kept.length, 1);
      });

      it(`${what ?? ''} is removed by walla clean`, async () => {
        await start(one, { WALLA_FAULT: `${point ?? ''}:kill:0` });
        assert.equal(runNode([cli, 'clean'], { env: { WALLA_DIR: base } }).status, 0);
        assert.deepEqual(leftBehind(base), []);
      });
    }
  });

  it('WALLA_KEEP keeps an image for the next job, and walla clean removes it', async () => {
    succeeded(await start(one, { WALLA_KEEP: '1' }), 'one');
    assert.equal(leftBehind(base).length, 1);
    // Jobs that do not keep leave what is kept.
    succeeded(await start(one), 'one');
    succeeded(await start(two), 'two');
    assert.equal(leftBehind(base).length, 1);
    assert.equal(runNode([cli, 'clean'], { env: { WALLA_DIR: base } }).status, 0);
    assert.deepEqual(leftBehind(base), []);
  });

  for (const point of ['transfer.middle', 'hold', 'attach']) {
    it(`a directory that is cleared at ${point} is an error that says so`, async () => {
      let pid = 0;
      const env = { WALLA_FAULT: `${point}:stop:0` };
      const job = runJob(
        words(one),
        { ...environment(one), ...env },
        { onStart: (p) => (pid = p) },
      );
      const isStopped = (): boolean =>
        /^State:\s+T/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
      while (!isStopped()) await sleep(20);
      for (const name of leftBehind(base)) rmSync(join(base, name), { recursive: true });
      process.kill(-pid, 'SIGCONT');
      const { code, stdout, stderr } = await job;
      assert.match(stderr, /^walla: ERR_WALLA_STAGING_DIRECTORY: /);
      assert.deepEqual([code, stdout], [1, '']);
      assert.deepEqual(leftBehind(base), []);
    });
  }

  const group = `/sys/fs/cgroup/memory/walla-test-${process.pid}`;
  const skip =
    existsSync('/sys/fs/cgroup/memory/memory.limit_in_bytes') && isRoot
      ? false
      : 'needs root and memory groups of version 1';

  /** Packs a file with the second program, and runs that under a memory limit. */
  async function startInGroup(name: string, content: string, limitBytes: number): Promise<Ended> {
    two.write(name, content);
    const archive = join(base, 'big.walla');
    const pack = [process.execPath, cli, 'pack', '-q', '--include', name, '-o', archive];
    const packed = await runJob([...pack, 'app.mjs'], {}, { cwd: two.root });
    assert.equal(packed.code, 0, packed.stderr);
    mkdirSync(group);
    try {
      writeFileSync(join(group, 'memory.limit_in_bytes'), String(limitBytes));
      const inGroup = ['sh', '-c', `echo $$ > ${group}/cgroup.procs && exec "$0" "$@"`];
      return await start(two, { WALLA_ARCHIVE: archive, WALLA_DIR: '/dev/shm' }, inGroup);
    } finally {
      rmdirSync(group);
      rmSync(two.path(name));
    }
  }

  it(
    'a memory limit of the control group is an error with numbers, not a kill',
    { skip },
    async () => {
      const limitBytes = 200 << 20;
      const { code, stderr } = await startInGroup('big.bin', '0'.repeat(limitBytes), limitBytes);
      assert.match(
        stderr,
        /ERR_WALLA_NO_SPACE: archive needs 200\.\d MiB of memory .* leaves \d+\.\d MiB: limit 200\.0 MiB, in use \d+\.\d MiB/,
      );
      assert.equal(code, 1);
    },
  );

  it('so it is where the image has room, and its natives have not', { skip }, async () => {
    const content = `\x7fELF\x02\x01\x01${'\0'.repeat(100 << 20)}`;
    const { code, stderr } = await startInGroup('big.node', content, 200 << 20);
    assert.match(
      stderr,
      /ERR_WALLA_NO_SPACE: the archive's natives need 100\.0 MiB of memory .*: limit 200\.0 MiB/,
    );
    assert.equal(code, 1);
  });
});
