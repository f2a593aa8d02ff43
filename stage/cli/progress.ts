/** Bars on a terminal; nothing where stderr is a file or a pipe. */
import type { SingleBar } from 'cli-progress';
import type { PackProgress } from '../pack/pack.ts';
import type { OnBytes } from '../transport/transport.ts';

export interface ProgressBar extends PackProgress {
  stop: () => void;
}

const MEBIBYTE = 1024 ** 2;

/** @param quiet never show it */
export async function progressBar(quiet: boolean): Promise<ProgressBar> {
  const bar = await openBar(quiet, 'tracing', 'files');
  if (!bar) return { stop: () => undefined };
  return {
    onFiles: (found, done) => {
      bar.setTotal(found);
      bar.update(done, { phase: 'tracing', unit: 'files' });
    },
    onPackages: (done, total) => {
      bar.setTotal(total);
      bar.update(done, { phase: 'downloading', unit: 'packages' });
    },
    onBytes: (done, total) => {
      bar.setTotal(mebibytes(total));
      bar.update(mebibytes(done), { phase: 'writing', unit: 'MiB' });
    },
    stop: () => bar.stop(),
  };
}

/** Shows how far an archive is verified. */
export async function verifyBar(quiet: boolean): Promise<ProgressBar> {
  const bar = await openBar(quiet, 'verifying', 'MiB');
  return {
    onBytes: (done, total) => {
      bar?.setTotal(mebibytes(total));
      bar?.update(mebibytes(done));
    },
    stop: () => bar?.stop(),
  };
}

async function openBar(
  quiet: boolean,
  phase: string,
  unit: string,
): Promise<SingleBar | undefined> {
  if (quiet || !process.stderr.isTTY) return undefined;
  const bar = await makeBar();
  bar.start(1, 0, { phase, unit });
  return bar;
}

async function makeBar(): Promise<SingleBar> {
  const { default: cliProgress } = await import('cli-progress');
  return new cliProgress.SingleBar({
    format: '{phase} [{bar}] {value}/{total} {unit}',
    stream: process.stderr,
    clearOnComplete: true,
    // A signal ends the command with the bar there: then nothing of the terminal may be changed.
    hideCursor: false,
    linewrap: true,
  });
}

const TICK_MS = 250;

/**
 * Shows that an archive is being placed: the seconds, then the bytes once it is known how far they are.
 * @returns undefined where nobody watches
 */
export async function placeBar(
  what: string,
  quiet: boolean,
): Promise<{ onBytes: OnBytes; stop: () => void } | undefined> {
  if (quiet || !process.stderr.isTTY) return undefined;
  const bar = await makeBar();
  let stop = working(what);
  let isBar = false;
  // Each node tells its own where none knows of the others.
  let most = 0;
  return {
    onBytes: (done, total) => {
      if (!isBar) {
        stop();
        bar.start(mebibytes(total), 0, { phase: 'placing', unit: 'MiB' });
        stop = () => bar.stop();
        isBar = true;
      }
      most = Math.max(most, done);
      bar.update(mebibytes(most));
    },
    stop: () => stop(),
  };
}

function mebibytes(bytes: number): number {
  return Math.round(bytes / MEBIBYTE);
}

/** Shows the seconds of work that does not say how far it is. Returns what ends the show. */
function working(what: string): () => void {
  const { stderr } = process;
  const start = performance.now();
  const timer = setInterval(() => {
    const seconds = ((performance.now() - start) / 1000).toFixed(0);
    stderr.write(`\r\x1b[K${what}: ${seconds} s`);
  }, TICK_MS);
  return () => {
    clearInterval(timer);
    stderr.write('\r\x1b[K');
  };
}
