import { writeSync } from 'node:fs';

/** A report that cannot be written is no reason to end a job: one line, and the program goes on. */
export function warn(file: string, error: unknown): void {
  const reason = error instanceof Error ? error.message : String(error);
  try {
    writeSync(2, `walla: no report in ${file}: ${reason}\n`);
  } catch {
    // There is no stderr to say it on.
  }
}
