/** The process that downloads for a rank, and the rank: either may be killed while a server is silent. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { leftBehind, preload } from '../run-node.ts';
import { type Answer, withServer } from '../transport/server.ts';
import type { Ended } from './expect.ts';
import { runJob } from './job.ts';
import { FaultProgram } from './program.ts';

describe('while the server of an archive is silent', () => {
  let program: FaultProgram;
  before(() => {
    program = new FaultProgram();
  });
  after(() => {
    program.remove();
  });

  /**
   * Runs a process whose download stops halfway.
   * @param meanwhile gets its id and that of the child that downloads
   * @param check runs before the server ends
   */
  async function download(
    meanwhile: (rank: number, child: number) => void,
    check: (ended: Ended, base: string) => void | Promise<void>,
  ): Promise<void> {
    const base = mkdtempSync(join(tmpdir(), 'walla-fetch-'));
    const bytes = readFileSync(program.archive);
    const env = { WALLA_DIR: base, WALLA_DOWNLOADS: 'off', WALLA_HTTP_TIMEOUT: '600' };
    const words = [process.execPath, '--import', preload, program.entry];
    let rank = 0;
    const answer: Answer = async (_, response) => {
      response.writeHead(200, { 'content-length': bytes.length });
      await new Promise((resolve) => response.write(bytes.subarray(0, bytes.length / 2), resolve));
      const { stdout } = spawnSync('pgrep', ['-P', String(rank)], { encoding: 'utf8' });
      meanwhile(rank, Number(stdout));
    };
    try {
      await withServer(answer, async (server) => {
        const ended = await runJob(
          words,
          { ...env, WALLA_ARCHIVE: server.url('/app.walla') },
          { onStart: (pid) => (rank = pid) },
        );
        assert.equal(ended.timedOut, false, ended.stderr);
        await check(ended, base);
      });
    } finally {
      rmSync(base, { recursive: true });
    }
  }

  it('a child that is killed is an error of its rank', () =>
    download(
      (_, child) => {
        process.kill(child, 'SIGKILL');
      },
      ({ code, stdout, stderr }, base) => {
        assert.equal(code, 1);
        assert.equal(stdout, '');
        assert.match(stderr, /^walla: ERR_WALLA_TRANSFER: .*ended with SIGKILL.*\nhint: /);
        assert.deepEqual(leftBehind(base), []);
      },
    ));

  it('a rank that is killed takes its child along', async () => {
    let child = 0;
    await download(
      (rank, pid) => {
        child = pid;
        assert.ok(isRunning(child));
        process.kill(rank, 'SIGKILL');
      },
      async () => {
        for (let tries = 0; tries < 100 && isRunning(child); tries++) await sleep(100);
        const stays = isRunning(child);
        if (stays) process.kill(child, 'SIGKILL');
        assert.equal(stays, false);
      },
    );
    assert.ok(child > 0);
  });
});

function isRunning(pid: number): boolean {
  try {
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return false;
  }
}
