/** Bars on a terminal; nothing where stderr is a file or a pipe. */
import type { SingleBar } from 'cli-progress';
import type { PackProgress } from '../pack/pack.ts';

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
      bar.setTotal(Math.round(total / MEBIBYTE));
      bar.update(Math.round(done / MEBIBYTE), { phase: 'writing', unit: 'MiB' });
    },
    stop: () => bar.stop(),
  };
}

/** Shows how far an archive is verified. */
export async function verifyBar(quiet: boolean): Promise<ProgressBar> {
  const bar = await openBar(quiet, 'verifying', 'MiB');
  return {
    onBytes: (done, total) => {
      bar?.setTotal(Math.round(total / MEBIBYTE));
      bar?.update(Math.round(done / MEBIBYTE));
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
  const { default: cliProgress } = await import('cli-progress');
  const bar: SingleBar = new cliProgress.SingleBar({
    format: '{phase} [{bar}] {value}/{total} {unit}',
    stream: process.stderr,
    hideCursor: true,
    clearOnComplete: true,
  });
  bar.start(1, 0, { phase, unit });
  return bar;
}

const TICK_MS = 250;

/** Shows the seconds of work that does not say how far it is. Returns what ends the show. */
export function working(what: string, quiet: boolean): () => void {
  const { stderr } = process;
  if (quiet || !stderr.isTTY) return () => undefined;
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
