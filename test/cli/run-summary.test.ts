/** `walla run --json FILE`: how a job was staged, and how it ended. */
import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import type { RunSummary } from '../../stage/run/run-summary.ts';
import { Application, cli, type Outcome, run } from '../run-node.ts';

describe('walla run --json', () => {
  let app: Application;
  let base: string;
  before(() => {
    app = new Application({
      'app.mjs':
        "const [how] = process.argv.slice(2); console.log('ran'); if (how.startsWith('SIG')) process.kill(process.pid, how); else process.exit(Number(how));",
    });
    base = mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'walla-summary-'));
  });
  after(() => {
    app.remove();
    rmSync(base, { recursive: true });
  });

  const walla = (options: string[], how: string, program = app.path('app.mjs')): Outcome =>
    run(process.execPath, [cli, 'run', '-q', ...options, '--', process.execPath, program, how], {
      WALLA_DIR: base,
    });
  const file = () => app.path('summary.json');
  const read = () => JSON.parse(readFileSync(file(), 'utf8')) as RunSummary;

  test('has the archive, what was packed and placed, and the exit code', () => {
    const first = walla(['--json', file()], '3');
    assert.deepEqual([first.status, first.stdout, first.stderr], [3, 'ran\n', '']);
    const { program, launcher, ranks, archive, packed, prestaged, programMs, ...end } = read();
    assert.deepEqual(program, [process.execPath, app.path('app.mjs'), '3']);
    assert.deepEqual([launcher, ranks], [[], null]);
    assert.ok(archive?.startsWith(app.path('.walla/app.mjs-')), archive ?? '');
    assert.ok(packed && packed.bytes > 0 && packed.ms > 0);
    assert.deepEqual([prestaged?.nodes, prestaged?.received], [1, 1]);
    assert.match(prestaged?.identity ?? '', /^[0-9a-f]{64}$/);
    assert.ok((programMs ?? 0) > 0);
    assert.deepEqual(end, { exitCode: 3, signal: null, error: null });
  });

  test('says of a signal which one, and null of what was not done', () => {
    const ended = walla(['--json', file(), '--no-prestage'], 'SIGTERM');
    assert.deepEqual([ended.signal, ended.stdout], ['SIGTERM', 'ran\n']);
    const { packed, prestaged, exitCode, signal } = read();
    assert.deepEqual([packed, prestaged, exitCode, signal], [null, null, null, 'SIGTERM']);
  });

  test('is there where nothing was started, with the code of the error', () => {
    assert.equal(walla(['--json', file(), '--launcher', '/nowhere/mpirun'], '0').status, 2);
    const { programMs, error } = read();
    assert.deepEqual([programMs, error?.code], [null, 'ERR_WALLA_USAGE']);
    assert.equal(walla(['--json', file(), '--archive', '/nowhere.walla'], '0').status, 1);
    assert.equal(read().error?.message, 'placing the archive on the nodes failed');
  });

  test('goes to stderr for -, never to stdout, and a path that cannot be written starts nothing', () => {
    const { stdout, stderr } = walla(['--json', '-'], '0');
    assert.equal(stdout, 'ran\n');
    assert.equal((JSON.parse(stderr) as RunSummary).exitCode, 0);
    const wrong = walla(['--json', '/nowhere/summary.json'], '0');
    assert.deepEqual([wrong.status, wrong.stdout], [2, '']);
    assert.match(wrong.stderr, /ERR_WALLA_USAGE: cannot write \/nowhere\/summary\.json: ENOENT/);
  });
});
