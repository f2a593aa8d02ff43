/** Processes of one node that do not share MPI: each stages by itself, and one at a time places the image. */
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { leftBehind, preload } from '../run-node.ts';
import { all, POINTS } from './cases.ts';
import type { Ended } from './expect.ts';
import { runJob } from './job.ts';
import { FaultProgram } from './program.ts';

const POINTS_HERE = all
  ? POINTS.filter((point) => point !== 'mpi')
  : ['boot', 'locate', 'transfer.middle', 'hold.done', 'attach'];
const PROCESSES = 3;

let program: FaultProgram;
before(() => {
  program = new FaultProgram();
});
after(() => {
  program.remove();
});

/** As srun without a PMI server starts a rank. */
const rankEnvironment = (rank: number): Record<string, string> => ({
  SLURM_STEP_ID: '0',
  SLURM_PROCID: String(rank),
  SLURM_STEP_NUM_TASKS: String(PROCESSES),
  SLURM_LOCALID: String(rank),
});

describe('of several processes without MPI', { concurrency: 2 }, () => {
  async function inBase(test: (start: Start) => Promise<void>): Promise<void> {
    const base = mkdtempSync(join(tmpdir(), 'walla-processes-'));
    const start: Start = (rank, env = {}, options = {}) =>
      runJob(
        [process.execPath, '--import', preload, program.entry],
        { WALLA_ARCHIVE: program.archive, WALLA_DIR: base, ...rankEnvironment(rank), ...env },
        options,
      );
    try {
      await test(start);
      const next = await start(0);
      assert.equal(next.stderr, '');
      assert.equal(next.stdout, program.output(1));
      assert.deepEqual(leftBehind(base), []);
    } finally {
      rmSync(base, { recursive: true, force: true });
    }
  }

  for (const point of POINTS_HERE) {
    for (const fault of ['error', 'kill']) {
      it(`one that meets ${fault} at ${point} does not disturb the others`, () =>
        inBase(async (start) => {
          const env = { WALLA_FAULT: `${point}:${fault}:1` };
          const seen = { pid: 0, ended: false };
          const one = start(1, env, { onStart: (child) => (seen.pid = child) });
          void one.then(() => (seen.ended = true));
          // The others come when it is at work: they find it so, or wait for its lock.
          while (!seen.ended && !holdsLock(seen.pid)) await sleep(5);
          const others = await Promise.all([start(0, env), start(2, env)]);
          const first = await one;
          assert.notEqual(first.code, 0);
          if (fault === 'error') assert.match(first.stderr, /\[rank 1@.*(EIO|WALLA_FAULT)/);
          for (const other of others) {
            assert.equal(other.stderr, '');
            assert.equal(other.stdout, program.output(1));
          }
        }));
    }

    it(`one that is stopped at ${point} is named by those that wait for it`, () =>
      inBase(async (start) => {
        let pid = 0;
        // Killed, as a batch system would in the end, once the others are through.
        const stopped = start(
          1,
          { WALLA_FAULT: `${point}:stop:1` },
          {
            timeoutMs: 20_000,
            onStart: (child) => (pid = child),
          },
        );
        while (!isStopped(pid)) await sleep(20);
        const others = await Promise.all([0, 2].map((rank) => start(rank, { WALLA_TIMEOUT: '3' })));
        process.kill(-pid, 'SIGKILL');
        await stopped;
        const waits = !/^(start|boot|attach)/.test(point);
        for (const other of others) {
          if (waits)
            assert.match(
              other.stderr,
              new RegExp(`ERR_WALLA_TIMEOUT: waited 3 s for .*process ${pid} `),
            );
          else assert.equal(other.stdout, program.output(1), other.stderr);
        }
      }));
  }
});

type Start = (
  rank: number,
  env?: Record<string, string>,
  options?: { timeoutMs?: number; onStart?: (pid: number) => void },
) => Promise<Ended>;

function holdsLock(pid: number): boolean {
  return new RegExp(` FLOCK .* ${pid} `).test(readFileSync('/proc/locks', 'utf8'));
}

function isStopped(pid: number): boolean {
  return pid > 0 && /^State:\s+T/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
}
