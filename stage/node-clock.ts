/** The clock that all processes of a node share. It starts again with the machine. */
import { readFileSync } from 'node:fs';

/** Nanoseconds since some time that is the same for all processes of this node. */
export function clockNs(): bigint {
  return process.hrtime.bigint();
}

/** Another one each time the machine has started: a staging directory on disk outlives that, and `clockNs` does not. */
export function bootId(): string {
  return readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').trim();
}
