/**
 * With --abort-on-uncaught-exception V8 ends the process for an error of native code even where JavaScript catches
 * it: it does not see so far. Node.js keeps it from that while somebody takes uncaught errors.
 */
import { hasFlag } from '../loader/node-features.ts';

/** Runs what may meet expected errors of native code, such as a file that is not there. */
export function withoutAborts(work: () => void): void {
  if (!hasFlag('--abort-on-uncaught-exception') || process.hasUncaughtExceptionCaptureCallback()) {
    work();
    return;
  }
  process.setUncaughtExceptionCaptureCallback(() => undefined);
  try {
    work();
  } finally {
    process.setUncaughtExceptionCaptureCallback(null);
  }
}
