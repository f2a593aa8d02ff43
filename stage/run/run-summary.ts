/** What `walla run --json` writes: how a job was staged, and how it ended. */
import { closeSync, openSync, writeSync } from 'node:fs';
import { WallaError } from '../errors.ts';

export interface RunSummary {
  program: readonly string[];
  /** The launcher with its options; empty: the program ran alone. */
  launcher: readonly string[];
  /** How many ranks were asked for; null: the launcher decides. */
  ranks: number | null;
  /** Path or URL; null: there is none. */
  archive: string | null;
  /** Null where the archive was right, or was named. */
  packed: { bytes: number; ms: number } | null;
  /** Null where the ranks placed the archive themselves. */
  prestaged: {
    identity: string;
    bytes: number;
    nodes: number;
    received: number;
    ms: number;
  } | null;
  /** From the start of the ranks to the end of the last; null: they were not started. */
  programMs: number | null;
  /** Of the launcher, or of the program that ran alone; null: it was ended by a signal, or not started. */
  exitCode: number | null;
  signal: NodeJS.Signals | null;
  /** What kept the ranks from being started; a command that failed has told its own on stderr. */
  error: { code: string | null; message: string } | null;
}

/** Where the summary goes. The program's standard output is not for it. */
export class SummaryFile {
  #fd: number | undefined;

  /**
   * Opened before anything is started, so that a wrong path costs no job.
   * @param path `-`: standard error
   * @throws WallaError ERR_WALLA_USAGE
   */
  constructor(path: string) {
    try {
      this.#fd = path === '-' ? process.stderr.fd : openSync(path, 'w');
    } catch (error) {
      throw new WallaError('ERR_WALLA_USAGE', `cannot write ${path}: ${(error as Error).message}`, {
        hint: 'name a file that you can write, or - for standard error',
        cause: error,
      });
    }
  }

  /** The first time counts. */
  write(summary: RunSummary): void {
    if (this.#fd === undefined) return;
    writeSync(this.#fd, `${JSON.stringify(summary, null, 2)}\n`);
    if (this.#fd !== process.stderr.fd) closeSync(this.#fd);
    this.#fd = undefined;
  }
}
