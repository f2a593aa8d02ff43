/** `walla run` and `walla stage`: alone and under each MPI; how they end, what they read, what they leave. */
import assert from 'node:assert/strict';
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import {
  appendFileSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, before, describe, test } from 'node:test';
import type { Prestaged } from '../../stage/run/prestage.ts';
import { which } from '../mpi/launch.ts';
import { nodeVersions } from '../node-versions/index.ts';
import {
  Application,
  cleanEnvironment,
  cli,
  leftBehind,
  mpis,
  type Outcome,
  packageRoot,
  packProgram,
  run,
} from '../run-node.ts';

const PROGRAM = `
import { fork, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import { value } from './lib.mjs';
const [what, argument, stays] = process.argv.slice(2);
const staged = () => process.env.WALLA_ATTACH !== undefined;
if (what === 'say') console.log('value', value, staged());
if (what === 'exit') process.exit(Number(argument));
if (what === 'signal') process.kill(process.pid, argument);
if (what === 'throw') throw new Error('thrown');
if (what === 'argv') console.log(JSON.stringify([process.argv.slice(2), process.execArgv.slice(2)]));
if (what === 'wait') { setInterval(() => {}, 1000); process.on(argument, () => { console.log('got', argument); if (!stays) process.exit(5); }); console.log('waits'); }
if (what === 'stdin') { let text = ''; for await (const part of process.stdin) text += part; console.log('read', text.length, text.slice(0, 5)); }
if (what === 'children') {
  const file = fileURLToPath(new URL('./child.cjs', import.meta.url));
  const forked = fork(file, { stdio: ['ignore', 'pipe', 'inherit', 'ipc'] });
  let said = ''; forked.stdout.on('data', (text) => { said += text; });
  await once(forked, 'close');
  const spawned = spawnSync(process.execPath, [file], { encoding: 'utf8' });
  const worker = new Worker(file, { execArgv: [], stdout: true });
  let told = ''; worker.stdout.on('data', (text) => { told += text; });
  await once(worker, 'exit');
  console.log(JSON.stringify([said, spawned.stdout + spawned.stderr, told].map((text) => text.trim())));
}
`;
const FILES = {
  'app.mjs': PROGRAM,
  'lib.mjs': 'export const value = 42;',
  // Where the source is not what Node.js runs, only a staged process can tell.
  'child.cjs': `console.log('child', require('node:fs').readFileSync(['', 'proc', process.pid, 'maps'].join('/'), 'utf8').includes('/image'));`,
  'package.json': '{"name":"app"}',
  'package-lock.json': '{}',
};

/** Each way to start ranks, as words of --launcher. */
const LAUNCHERS = mpis.map(({ abi, command, args, skip }) => ({
  name: `under ${abi}`,
  skip,
  options: ['-n', '2', '--launcher', [command, ...args].join(' ')],
}));
const ALL = [
  { name: 'alone', skip: false as string | false, options: [] as string[] },
  ...LAUNCHERS,
];

describe('walla run', () => {
  let app: Application;
  let base: string;

  before(() => {
    app = new Application(FILES);
    base = mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'walla-cli-'));
    packProgram(app.path('app.mjs'), app.path('other.walla'));
  });
  after(() => {
    app.remove();
    rmSync(base, { recursive: true });
  });
  afterEach(() => assert.deepEqual(leftBehind(base), []));

  const env = () => ({ WALLA_DIR: base });
  const words = (options: string[], ...program: string[]) => [
    cli,
    'run',
    ...options,
    '--',
    process.execPath,
    app.path('app.mjs'),
    ...program,
  ];
  const walla = (options: string[], ...program: string[]): Outcome =>
    run(process.execPath, words(options, ...program), env());
  /** What ranks printed, without the marks that launchers put before lines. */
  const lines = (stdout: string) =>
    stdout
      .split('\n')
      .map((line) => line.replace(/^\[\d[\d,]*\](?:<stdout>:)? ?/, ''))
      .filter(Boolean);

  for (const { name, skip, options } of ALL) {
    const ranks = options.length > 0 ? 2 : 1;
    describe(name, { skip }, () => {
      test('packs, prestages and runs, with one line each', () => {
        rmSync(app.path('.walla'), { recursive: true, force: true });
        const first = walla(options, 'say');
        assert.equal(first.status, 0, first.stderr);
        assert.deepEqual(lines(first.stdout), Array(ranks).fill('value 42 true'));
        assert.match(
          first.stderr,
          /^walla: packed .* into .*\.walla in .* s\nwalla: .*\.walla, .*, is on 1 node, 1 received it, in .* s\n$/,
        );
        const second = walla(['-q', ...options], 'say');
        assert.deepEqual([second.status, second.stderr], [0, '']);
        assert.deepEqual(lines(second.stdout), Array(ranks).fill('value 42 true'));
      });

      test('passes exit codes on', () => {
        assert.equal(walla(['-q', ...options], 'exit', '101').status, 101);
        if (ranks === 1) assert.equal(walla(['-q'], 'throw').status, 1);
      });

      test('passes a signal on to the program, and its answer back', async () => {
        // Hydra drops what it has not read yet of a job that a rank ends.
        const program = ['wait', 'SIGUSR1', ...(ranks > 1 ? ['stays'] : [])];
        const child = spawn(process.execPath, words(['-q', ...options], ...program), {
          env: { ...cleanEnvironment(), ...env() },
          stdio: ['ignore', 'pipe', 'inherit'],
        });
        let said = '';
        let ending: NodeJS.Timeout | undefined;
        child.stdout.on('data', (text: Buffer) => {
          said += text.toString();
          if (ranks === 1 || !said.includes('got SIGUSR1') || ending) return;
          // Told again and again, as by a scheduler or an impatient user: what it has to tidy up it still does.
          ending = setInterval(() => child.kill('SIGTERM'), 2);
          child.once('exit', () => clearInterval(ending));
        });
        const { status, output } = await tillItSays(child, 'waits', ranks, () =>
          child.kill('SIGUSR1'),
        );
        assert.match(output, /got SIGUSR1/);
        // What a job that is told to end ends with is the launcher's own: Hydra's is 0 now and then.
        if (ranks === 1) assert.equal(status, 5);
      });

      test('children and workers are staged too', () => {
        const { status, stdout, stderr } = walla(['-q', ...options], 'children');
        assert.equal(status, 0, stderr);
        const staged = JSON.stringify(Array(3).fill('child true'));
        assert.deepEqual(lines(stdout), Array(ranks).fill(staged));
      });

      test('--keep leaves image and walla; the next run transfers nothing; walla clean removes both', () => {
        const kept = walla(['--keep', ...options], 'say');
        assert.equal(kept.status, 0, kept.stderr);
        const names = () => readdirSync(join(base, leftBehind(base)[0] ?? '')).sort();
        assert.equal(names().filter((each) => /^(walla-)?[0-9a-f]{64}$/.test(each)).length, 2);
        const again = walla(options, 'say');
        assert.match(again.stderr, /is on 1 node, 0 received it/);
        assert.equal(names().length, 3);
        const cleaned = run(process.execPath, [cli, 'clean', '--json'], env());
        assert.equal((JSON.parse(cleaned.stdout) as { removed: string[] }).removed.length, 2);
      });
    });
  }

  test('a program ended by a signal ends walla run by that signal', () => {
    for (const signal of ['SIGTERM', 'SIGKILL', 'SIGINT'])
      assert.equal(walla(['-q'], 'signal', signal).signal, signal);
  });

  test('standard input and output are the program’s', () => {
    const text = 'x'.repeat(1_000_000);
    const { stdout, stderr } = spawnSync(process.execPath, words(['-q'], 'stdin'), {
      env: { ...cleanEnvironment(), ...env() },
      input: text,
      encoding: 'utf8',
    });
    assert.deepEqual([stdout, stderr], ['read 1000000 xxxxx\n', '']);
  });

  test('flags of node and arguments of the program stay what they are, -- too', () => {
    const { stdout } = run(
      process.execPath,
      [
        cli,
        'run',
        '-q',
        '--',
        process.execPath,
        '--no-warnings',
        app.path('app.mjs'),
        'argv',
        '--json',
        '--',
        '-q',
      ],
      env(),
    );
    assert.deepEqual(JSON.parse(stdout), [['argv', '--json', '--', '-q'], ['--no-warnings']]);
  });

  test('-n without a launcher is refused, and -n 1 runs alone', () => {
    const bare = { ...env(), PATH: '/nowhere' };
    const { status, stderr } = run(process.execPath, words(['-n', '2'], 'say'), bare);
    assert.equal(status, 2);
    assert.match(stderr, /2 ranks need a launcher.*\nhint: .*--launcher/);
    const one = run(process.execPath, words(['-q', '-n', '1'], 'say'), bare);
    assert.deepEqual([one.status, one.stdout], [0, 'value 42 true\n']);
  });

  test('is refused where it is a rank itself', () => {
    const rank = { ...env(), PMI_RANK: '0', PMI_SIZE: '2' };
    const { status, stderr } = run(process.execPath, words([], 'say'), rank);
    assert.equal(status, 2);
    assert.match(stderr, /one of 2 ranks already/);
  });

  test('a launcher or program that is not there is said with what to type', () => {
    const launcher = walla(['-q', '--launcher', '/nowhere/mpirun'], 'say');
    assert.equal(launcher.status, 2);
    assert.match(launcher.stderr, /cannot start \/nowhere\/mpirun: .*\nhint: /);
    const program = run(
      process.execPath,
      [cli, 'run', '--', process.execPath, '/nowhere/app.mjs'],
      env(),
    );
    assert.equal(program.status, 1);
    assert.match(program.stderr, /^walla: ERR_WALLA_NO_ENTRY: .*\nhint: .*\n$/);
  });

  test('an unknown launcher runs the ranks without prestage, and says why', () => {
    const { status, stdout, stderr } = walla(['--launcher', 'env'], 'say');
    assert.deepEqual([status, stdout], [0, 'value 42 true\n']);
    assert.match(stderr, /^walla: not prestaged: walla does not know how env starts one process/m);
  });

  describe('a tree that changed', () => {
    test('is packed again; with error, named or not, refused; with use and lockfile run as packed', () => {
      const changed = new Application(FILES);
      const start = (...options: string[]) =>
        run(
          process.execPath,
          [cli, 'run', ...options, '--', process.execPath, changed.path('app.mjs'), 'say'],
          env(),
        );
      try {
        assert.match(start('--stale=error').stderr, /ERR_WALLA_ARCHIVE_MISSING/);
        assert.equal(start('-q').status, 0);
        appendFileSync(changed.path('lib.mjs'), '\nexport const more = 1;');
        const refused = start('-q', '--stale=error');
        assert.deepEqual([refused.status, refused.stdout], [1, '']);
        assert.match(refused.stderr, /ERR_WALLA_STALE: .*lib\.mjs was changed/);
        const used = start('-q', '--stale=use');
        assert.deepEqual([used.status, used.stdout], [0, 'value 42 true\n']);
        assert.match(
          used.stderr,
          /^walla: using .* although it is out of date: lib\.mjs was changed\n$/,
        );
        assert.deepEqual([start('-q', '--stale=lockfile').stderr], ['']);
        assert.match(start().stderr, /^walla: packed /);
      } finally {
        changed.remove();
      }
    });
  });

  test('--on-error=fallback runs the program unstaged, and stop does not run it', () => {
    const damaged = app.path('damaged.walla');
    run('cp', [app.path('other.walla'), damaged]);
    appendFileSync(damaged, 'x');
    const stopped = walla(['-q', '--archive', damaged], 'say');
    assert.deepEqual([stopped.status, stopped.stdout], [1, '']);
    assert.match(stopped.stderr, /^walla: ERR_WALLA_ARCHIVE_DAMAGED: .*\nhint: .*\n$/);
    const unstaged = walla(['-q', '--archive', damaged, '--on-error=fallback'], 'say');
    assert.deepEqual([unstaged.status, unstaged.stdout], [0, 'value 42 false\n']);
    assert.match(unstaged.stderr, /running unstaged/);
  });

  test('a killed run leaves what the next job, or walla clean, removes', async () => {
    for (const next of ['job', 'clean']) {
      const child = spawn(process.execPath, words(['-q'], 'wait', 'SIGUSR1'), {
        env: { ...cleanEnvironment(), ...env() },
        stdio: ['ignore', 'pipe', 'inherit'],
        detached: true,
      });
      await tillItSays(child, 'waits', 1, () => process.kill(-(child.pid ?? 0), 'SIGKILL'));
      assert.notDeepEqual(leftBehind(base), []);
      if (next === 'job') walla(['-q', '--archive', app.path('other.walla')], 'say');
      else run(process.execPath, [cli, 'clean'], env());
      assert.deepEqual(leftBehind(base), [], next);
    }
  });

  describe('walla stage', () => {
    const stage = (...options: string[]) =>
      run(process.execPath, [cli, 'stage', ...options, app.path('other.walla')], env());

    test('places image and walla until walla clean, and ranks can be started with what it says', () => {
      const first = stage('--json');
      assert.equal(first.status, 0, first.stderr);
      const placed = JSON.parse(first.stdout) as Prestaged & { import: string };
      assert.deepEqual([placed.nodes, placed.received, placed.copies.length], [1, 1, 1]);
      const archived = { ...env(), WALLA_ARCHIVE: app.path('other.walla') };
      const ranks = run(
        process.execPath,
        ['--import', placed.import, app.path('app.mjs'), 'say'],
        archived,
      );
      assert.deepEqual([ranks.status, ranks.stdout], [0, 'value 42 true\n']);
      assert.match(stage().stderr, /is on 1 node, 0 received it, .* walla clean removes it\n$/);
      run(process.execPath, [cli, 'clean', '-q'], env());
      // Without the copy the same words load walla from where it is installed.
      const later = run(
        process.execPath,
        ['--import', placed.import, app.path('app.mjs'), 'children'],
        archived,
      );
      assert.deepEqual([later.status, later.stderr], [0, '']);
      assert.equal(later.stdout, '["child true","child true","child true"]\n');
    });

    test('refuses an archive that is not there', () => {
      const { status, stderr } = run(process.execPath, [cli, 'stage', '/nowhere.walla'], env());
      assert.equal(status, 1);
      assert.match(stderr, /ERR_WALLA_ARCHIVE_MISSING/);
    });

    for (const { name, skip, options } of LAUNCHERS)
      test(`speaks once a job ${name}`, { skip }, () => {
        const [, ranks = '', , launcher = ''] = options;
        const [command = '', ...args] = launcher.split(' ');
        const start = (archive: string) =>
          run(command, [...args, '-n', ranks, process.execPath, cli, 'stage', archive], env());
        const { status, stderr } = start(app.path('other.walla'));
        assert.equal(status, 0);
        assert.equal(stderr.match(/is on 1 node/g)?.length, 1, stderr);
        assert.equal(start('/nowhere.walla').stderr.match(/ERR_WALLA_ARCHIVE_MISSING/g)?.length, 1);
        run(process.execPath, [cli, 'clean', '-q'], env());
      });
  });

  const noStrace = which('strace') ? false : 'strace is not installed';
  // Each Node.js under one MPI, and each MPI with one Node.js.
  for (const [version, { path: node, major }] of nodeVersions.entries())
    for (const { name: how, skip, options } of LAUNCHERS.slice(version === 0 ? 0 : -1))
      test(
        `a prestaged rank asks the shared file system for its entry and nothing else: Node.js ${major} ${how}`,
        { skip: skip || noStrace },
        () => {
          const traces = mkdtempSync(join(tmpdir(), 'walla-trace-'));
          try {
            const start = [cli, 'run', '-q', ...options, '--', node, app.path('app.mjs'), 'say'];
            const { status, stdout, stderr } = run(
              'strace',
              [
                '-ff',
                '-qq',
                '-s',
                '4096',
                '-e',
                'trace=%file',
                '-o',
                join(traces, 't'),
                process.execPath,
                ...start,
              ],
              env(),
            );
            assert.equal(status, 0, stderr);
            assert.deepEqual(lines(stdout), ['value 42 true', 'value 42 true']);
            const counts = rankTraces(traces, app.root);
            assert.equal(counts.length, 2);
            const others = counts.filter(
              (calls) => !calls.some((call) => call.includes('.walla"')),
            );
            assert.equal(others.length, 1, 'rank 0 alone opens the archive');
            for (const calls of counts)
              assert.deepEqual(
                calls.filter((call) => call.includes(`"${packageRoot}/dist/`)),
                [],
              );
            // Node.js finds its program before it runs anything: stat, and lstat of each directory on the way.
            for (const call of others[0] ?? [])
              assert.match(
                call,
                /^(?:statx|newfstatat|lstat|stat|readlink)\(.*"(?:[^"]*\/app\.mjs|[^"]*)"/,
              );
            assert.deepEqual(
              (others[0] ?? []).filter((call) => !isEntryLookup(call, app.root)),
              [],
            );
          } finally {
            rmSync(traces, { recursive: true });
          }
        },
      );
});

/** Waits till ranks have said a word, does something, and waits for the end. */
async function tillItSays(
  child: ChildProcess,
  word: string,
  times: number,
  then: () => void,
): Promise<{ status: number | null; output: string }> {
  let output = '';
  let done = false;
  child.stdout?.on('data', (text: Buffer) => {
    output += text.toString();
    if (done || output.split(word).length <= times) return;
    done = true;
    then();
  });
  const status = await new Promise<number | null>((resolve) => child.once('close', resolve));
  return { status, output };
}

/** Of each rank, its calls below the program or the package, from when it runs Node.js. */
function rankTraces(directory: string, root: string): string[][] {
  return readdirSync(directory)
    .map((name) => readFileSync(join(directory, name), 'utf8').split('\n'))
    .flatMap((calls) => {
      const start = calls.findIndex((call) => /^execve\(.*"--import".* = 0$/.test(call));
      if (start < 0 || /mpirun|mpiexec|orte/.test(calls[start]?.slice(0, 200) ?? '')) return [];
      const own = calls.slice(start + 1);
      return [
        own.filter((call) => call.includes(`"${root}`) || call.includes(`"${packageRoot}/dist/`)),
      ];
    });
}

function isEntryLookup(call: string, root: string): boolean {
  return call.includes(`"${root}/app.mjs"`) || call.includes(`"${root}"`);
}
