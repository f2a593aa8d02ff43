/** Runs programs while this process answers their requests: test/run-node.ts would block the servers in it. */
import { spawn } from 'node:child_process';
import { mkdtempSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { cleanEnvironment, type Mpi, type Outcome, packProgram, preload } from '../run-node.ts';
import { Application } from '../run-node.ts';

const TIMEOUT_MS = 120_000;

export interface Started {
  pid: number;
  done: Promise<Outcome>;
}

/** Starts a command; it is killed after two minutes: a hang is a failure with a signal. */
export function start(command: string, args: string[], env: NodeJS.ProcessEnv = {}): Started {
  const child = spawn(command, args, {
    env: { ...cleanEnvironment(), ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: TIMEOUT_MS,
    killSignal: 'SIGKILL',
  });
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
  const done = new Promise<Outcome>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (status, signal) => resolve({ status, signal, stdout, stderr }));
  });
  return { pid: child.pid ?? 0, done };
}

/** A packed program, a staging base and a place for downloads, all in one temporary directory. */
export class Fixture {
  readonly app: Application;
  readonly root: string;
  readonly archive: string;

  constructor(files: Record<string, string>, entry = 'app.mjs') {
    this.root = realpathSync(mkdtempSync(join(tmpdir(), 'walla-transport-')));
    this.app = new Application(files);
    this.archive = join(this.root, 'app.walla');
    packProgram(this.app.path(entry), this.archive);
  }

  /** A new directory. */
  directory(name: string): string {
    return mkdtempSync(join(this.root, `${name}-`));
  }

  /** Arguments of Node.js that stage the program. */
  words(entry = 'app.mjs'): string[] {
    return ['--import', preload, this.app.path(entry)];
  }

  start(env: NodeJS.ProcessEnv, { mpi, ranks = 2 }: { mpi?: Mpi; ranks?: number } = {}): Started {
    if (!mpi) return start(process.execPath, this.words(), env);
    const args = mpi.args.filter((word) => !/^(--tag-output|-prepend-rank)$/.test(word));
    return start(
      mpi.command,
      [...args, '-np', String(ranks), process.execPath, ...this.words()],
      env,
    );
  }

  remove(): void {
    this.app.remove();
    rmSync(this.root, { recursive: true, force: true });
  }
}
