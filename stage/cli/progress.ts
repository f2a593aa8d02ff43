import type { SingleBar } from 'cli-progress';
import type { PackProgress } from '../pack/pack.ts';

/** A bar on a terminal; nothing where stderr is a file or a pipe. */
export interface ProgressBar extends PackProgress {
  stop(): void;
}

/** @param quiet never show it */
export async function progressBar(quiet: boolean): Promise<ProgressBar> {
  if (quiet || !process.stderr.isTTY) return { stop: () => undefined };
  const { default: cliProgress } = await import('cli-progress');
  const bar: SingleBar = new cliProgress.SingleBar({
    format: '{phase} [{bar}] {value}/{total} {unit}',
    stream: process.stderr,
    hideCursor: true,
    clearOnComplete: true,
  });
  bar.start(1, 0, { phase: 'tracing', unit: 'files' });
  const mebibytes = (bytes: number) => Math.round(bytes / 1024 ** 2);
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
