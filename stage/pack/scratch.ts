import type { ChildProcess } from 'node:child_process';
import { accessSync, constants, mkdtempSync, realpathSync, rmSync, statfsSync } from 'node:fs';
import { constants as osConstants, tmpdir } from 'node:os';
import { join } from 'node:path';
import { baseCandidates } from '../staging-base.ts';

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/** A temporary directory of this process's own that does not outlive it, whatever ends it but SIGKILL. */
export class Scratch {
  readonly directory: string;
  /** What writes to it, and ends before it is removed. */
  writer: ChildProcess | undefined;
  readonly #remove = (): void => {
    this.writer?.kill('SIGKILL');
    rmSync(this.directory, { recursive: true, force: true });
  };
  readonly #onSignal = (signal: NodeJS.Signals): void => {
    this.remove();
    process.exit(128 + osConstants.signals[signal]);
  };

  /** @param base directory to make it in */
  constructor(name: string, base = tmpdir()) {
    this.directory = mkdtempSync(join(realpathSync(base), `walla-${name}-`));
    process.on('exit', this.#remove);
    for (const signal of SIGNALS) process.on(signal, this.#onSignal);
  }

  remove(): void {
    process.off('exit', this.#remove);
    for (const signal of SIGNALS) process.off(signal, this.#onSignal);
    this.#remove();
  }
}

/** A directory for many small files of so many bytes in all: in memory where there is room. */
export function scratchBase(bytes: number): string {
  return baseCandidates(process.env, undefined).find((path) => hasRoom(path, bytes)) ?? tmpdir();
}

function hasRoom(path: string, bytes: number): boolean {
  try {
    accessSync(path, constants.W_OK);
    const { bavail, bsize } = statfsSync(path);
    return bavail * bsize >= bytes;
  } catch {
    return false;
  }
}
