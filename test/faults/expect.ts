/** What has to be true of a job in which something went wrong. */
import assert from 'node:assert/strict';
import type { Case } from './cases.ts';

/** How a job ended. */
export interface Ended {
  code: number | null;
  stdout: string;
  stderr: string;
  timedOut: boolean;
}

export function title({ mpi, transport, slots, point, fault, role, rank }: Case): string {
  const where = slots.length === 1 ? 'one node' : `${slots.join('+')} ranks`;
  const by = transport === 'auto' ? mpi : `${transport}, ${mpi}`;
  return `${fault} at ${point} on rank ${rank} (${role}), ${where}, ${by}`;
}

/** Environment that makes the case happen. Waiting ends soon; nothing but `stop` takes that long. */
export function faultEnvironment({ point, fault, rank }: Case): Record<string, string> {
  return {
    WALLA_FAULT: `${point}:${fault}:${rank}`,
    ...(fault === 'stop' ? { WALLA_TIMEOUT: '6' } : {}),
  };
}

function messages(stderr: string): string[] {
  return stderr.match(/^walla: .*ERR_WALLA_.*$/gm) ?? [];
}

/** @param output what the ranks print when all is well */
export function checkEnd(faulty: Case, job: Ended, output: string, hosts: string[]): void {
  const { transport, point, fault, rank, slots } = faulty;
  const { code, stdout, stderr, timedOut } = job;
  assert.equal(timedOut, false, `no end in time:\n${stderr}`);
  if (fault === 'delay') {
    assert.equal(code, 0, stderr);
    assert.equal(stdout, output);
    assert.deepEqual(messages(stderr), []);
    return;
  }
  assert.notEqual(code, 0, stderr);
  // MPICH's mpirun writes about the end of a job to stdout.
  assert.doesNotMatch(stdout, /^ran /m);
  if (fault === 'kill') return;
  const said = messages(stderr);
  assert.equal(said.length, 1, stderr);
  const [message = ''] = said;
  assert.match(stderr, /^hint: /m);
  const ranks = slots.reduce((sum, n) => sum + n, 0);
  if (fault === 'error') {
    if (ranks > 1) {
      const node = slots.findIndex(
        (_, i) => rank < slots.slice(0, i + 1).reduce((a, n) => a + n, 0),
      );
      assert.ok(message.includes(`[rank ${rank}@${hosts[node]}]`), message);
    }
    assert.match(message, /EIO|WALLA_FAULT/);
    return;
  }
  assert.match(message, /ERR_WALLA_TIMEOUT/);
  // Inside a call of MPI a rank cannot find out for whom it waits.
  const broadcast =
    transport === 'auto' && point.startsWith('transfer') && point !== 'transfer.done';
  const unnamed = point === 'start' || broadcast;
  const named = new RegExp(`for ranks? (\\d+, )*${rank}\\b`);
  assert.match(message, unnamed ? /another rank|for ranks? / : named);
}
