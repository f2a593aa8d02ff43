/** What commands show of their progress: bars on a terminal, and there alone. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { spawn, type SpawnSyncReturns, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { which } from '../mpi/launch.ts';
import { Application, cleanEnvironment, cli, leftBehind, mpis, packProgram } from '../run-node.ts';

const skip = which('script') === undefined && 'script is not installed';

describe('on a terminal', { skip }, () => {
  let app: Application;
  let base: string;

  before(() => {
    app = new Application({
      'app.mjs': `import { readFileSync } from 'node:fs';\nconsole.log('read', readFileSync(new URL('./large.txt', import.meta.url)).length);`,
      'large.txt': 'x'.repeat(3 * 1024 * 1024),
    });
    base = mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'walla-progress-'));
    packProgram(app.path('app.mjs'), app.path('app.walla'));
  });
  after(() => {
    app.remove();
    rmSync(base, { recursive: true });
  });

  const env = () => ({ ...cleanEnvironment(), TERM: 'xterm', WALLA_DIR: base });
  const command = (words: string[]) =>
    [process.execPath, cli, ...words].map((word) => `'${word}'`).join(' ');
  /** Both outputs of a command that has a terminal. */
  const onTerminal = (...words: string[]): SpawnSyncReturns<string> =>
    spawnSync('script', ['-qec', command(words), '/dev/null'], {
      cwd: app.root,
      env: env(),
      encoding: 'utf8',
      timeout: 60_000,
    });
  const program = ['--', process.execPath, 'app.mjs'];

  const ways = [
    { name: 'alone', missing: false as string | false, options: [] as string[] },
    // Each launcher passes lines on; one is enough.
    ...mpis.slice(0, 1).map(({ abi, command: mpirun, args, skip: missing }) => ({
      name: `under ${abi}`,
      missing,
      options: ['-n', '2', '--launcher', [mpirun, ...args].join(' ')],
    })),
  ];
  for (const { name, missing, options } of ways)
    test(`walla run shows once a job how far the image is, ${name}`, { skip: missing }, () => {
      const words = ['run', ...options, '--archive', 'app.walla'];
      const { status, stdout } = onTerminal(...words, ...program);
      assert.equal(status, 0, stdout);
      assert.match(stdout, /placing \[[=-]+\] \d\/3 MiB.*placing \[=+\] 3\/3 MiB/s);
      assert.equal(stdout.match(/walla: .* is on 1 node, 1 received it/g)?.length, 1);
      if (options.length === 0) {
        const quiet = onTerminal(...words, '--quiet', ...program);
        assert.deepEqual([quiet.status, quiet.stdout], [0, 'read 3145728\r\n']);
      }
      assert.deepEqual(leftBehind(base), []);
    });

  test('walla stage and verify show it too, and nothing with --quiet', () => {
    for (const words of [['stage'], ['verify']]) {
      const shown = onTerminal(...words, 'app.walla');
      assert.equal(shown.status, 0, shown.stdout);
      assert.match(shown.stdout, /(placing|verifying) \[=+\] 3\/3 MiB/);
      const quiet = onTerminal(...words, '-q', 'app.walla');
      assert.deepEqual([quiet.status, quiet.stdout], [0, '']);
    }
    onTerminal('clean', '-q');
  });

  test('Ctrl-C ends a command that shows a bar, and leaves the terminal as it was', async () => {
    // It says that it is there, and nothing else.
    const server = createServer(() => undefined).listen(0, '127.0.0.1');
    await once(server, 'listening');
    try {
      const { port } = server.address() as AddressInfo;
      const resolved = `http://127.0.0.1:${port}/never-1.0.0.tgz`;
      const never = { version: '1.0.0', resolved, integrity: 'sha512-AAAA' };
      app.write('package.json', '{"name":"app","version":"1.0.0","dependencies":{"never":"1"}}');
      const packages = {
        '': { name: 'app', version: '1.0.0', dependencies: { never: '1' } },
        'node_modules/never': never,
      };
      app.write('package-lock.json', JSON.stringify({ lockfileVersion: 3, packages }));
      const words = ['pack', 'app.mjs', '--lockfile', 'package-lock.json', '--dry-run'];
      const child = spawn('script', ['-qec', command(words), '/dev/null'], {
        cwd: app.root,
        env: { ...env(), WALLA_DOWNLOADS: 'off' },
        stdio: ['pipe', 'pipe', 'inherit'],
        timeout: 20_000,
      });
      const closed = new Promise<number | null>((resolve) => child.once('close', resolve));
      let shown = '';
      server.once('connection', () => child.stdin.write('\x03'));
      child.stdout.setEncoding('utf8').on('data', (text: string) => (shown += text));
      assert.equal(await closed, 130, shown);
      assert.match(shown, /\[-+\] 0\/1 (files|packages)/);
      assert.ok(!shown.includes('\x1b[?'), JSON.stringify(shown));
    } finally {
      server.close();
    }
  });
});
