/** Runs jobs on this machine, several at a time. */
import { spawn } from 'node:child_process';
import { cleanEnvironment } from '../run-node.ts';
import type { Ended } from './expect.ts';

export interface JobOptions {
  timeoutMs?: number;
  cwd?: string;
  /** Told the process id, which is also that of the process group. */
  onStart?: (pid: number) => void;
}

/**
 * Runs a command to its end, or kills it with all its children. Lines lose the rank that a launcher puts
 * in front.
 */
export function runJob(
  words: readonly string[],
  env: NodeJS.ProcessEnv,
  { timeoutMs = 90_000, cwd, onStart }: JobOptions = {},
): Promise<Ended> {
  const [command = '', ...args] = words;
  return new Promise((resolve, reject) => {
    // A process group of its own, so that nothing of it stays behind.
    const child = spawn(command, args, {
      env: { ...cleanEnvironment(), ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
      ...(cwd === undefined ? {} : { cwd }),
    });
    if (child.pid !== undefined) onStart?.(child.pid);
    let stdout = '';
    let stderr = '';
    let timedOut = false;
    const timer = setTimeout(() => {
      timedOut = true;
      if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL');
    }, timeoutMs);
    child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
    child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
    child.once('error', reject);
    child.once('close', (code) => {
      clearTimeout(timer);
      resolve({ code, stdout: bare(stdout), stderr: bare(stderr), timedOut });
    });
  });
}

function bare(text: string): string {
  return text.replace(/^\[\d+(?:,\d+)?\](?:<std(?:out|err)>:)? ?/gm, '');
}
