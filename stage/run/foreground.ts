/** Runs a command in place of this process: its input, output, signals and way to end are the command's. */
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { constants } from 'node:os';
import { WallaError } from '../errors.ts';

const FORWARDED = ['SIGHUP', 'SIGINT', 'SIGQUIT', 'SIGTERM', 'SIGUSR1', 'SIGUSR2'] as const;

export interface Ended {
  status: number | null;
  signal: NodeJS.Signals | null;
  /** What it printed, where that was asked for. */
  stdout: string;
}

export interface ForegroundOptions {
  env: NodeJS.ProcessEnv;
  /** Collect what it prints, and give it no input; else both are this process's own. */
  collect?: boolean;
  /** Told each line that is collected, as it comes. */
  onLine?: ((line: string) => void) | undefined;
  /** What is left to do when it has ended: signals do not end this process before that is done. */
  onEnded?: (ended: Ended) => void;
}

/**
 * Signals that this process gets are passed on.
 * @throws WallaError ERR_WALLA_USAGE when the command cannot be started
 */
export async function runForeground(
  [command = '', ...args]: readonly string[],
  { env, collect = false, onLine, onEnded }: ForegroundOptions,
): Promise<Ended> {
  const child = spawn(command, args, {
    env,
    stdio: collect ? ['ignore', 'pipe', 'inherit'] : 'inherit',
  });
  const forward = (signal: NodeJS.Signals): void => {
    if (!(isOfTerminal(signal) && isForeground())) child.kill(signal);
  };
  for (const signal of FORWARDED) process.on(signal, forward);
  let stdout = '';
  let told = 0;
  child.stdout?.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
    for (let end; onLine && (end = stdout.indexOf('\n', told)) >= 0; told = end + 1)
      onLine(stdout.slice(told, end));
  });
  try {
    const ended = await new Promise<Ended>((resolve, reject) => {
      child.once('error', (error: NodeJS.ErrnoException) => {
        reject(
          new WallaError('ERR_WALLA_USAGE', `cannot start ${command}: ${error.message}`, {
            hint: 'give the path of the command, or load the module that has it',
            cause: error,
          }),
        );
      });
      child.once('close', (status, signal) => {
        resolve({ status, signal, stdout });
      });
    });
    onEnded?.(ended);
    return ended;
  } finally {
    for (const signal of FORWARDED) process.off(signal, forward);
  }
}

/** Ends this process as the command did, once its work is done. */
export function endLike({ status, signal }: Ended): void {
  if (signal === null) {
    process.exitCode = status ?? 1;
    return;
  }
  // Signals that do not end a process by default cannot have ended the command; these do.
  process.exitCode = 128 + constants.signals[signal];
  process.kill(process.pid, signal);
}

function isOfTerminal(signal: NodeJS.Signals): boolean {
  return signal === 'SIGINT' || signal === 'SIGQUIT';
}

/** Whether the terminal sends its signals to this process's group, which the command is in too. */
function isForeground(): boolean {
  try {
    // proc(5): behind the name come state, ppid, pgrp, session, tty_nr, tpgid.
    const stat = readFileSync('/proc/self/stat', 'latin1');
    const [, , group, , , foreground] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return group === foreground;
  } catch {
    return false;
  }
}
