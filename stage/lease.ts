/**
 * A lease keeps what was prestaged for a job until the job's first process takes hold of it: the process that placed it
 * has ended by then. Past its time it is worth nothing, so that a job that never started leaves nothing for long.
 */
import { closeSync, ftruncateSync, readFileSync, writeSync } from 'node:fs';
import type { WallaAddon } from '../native/addon.ts';
import { bootId, clockNs } from './node-clock.ts';

/** File in the directory of what is leased. native/src/last_out.cpp knows it too. */
const LEASE = 'lease';
/** Ample for a launcher to start the ranks of a large job. */
const LEASE_NS = 600n * 1_000_000_000n;

/** Writes a lease that begins now, or renews one. To be called behind the gate. */
export function writeLease(addon: WallaAddon, directoryFd: number): void {
  const fd = addon.openPrivateFileAt(directoryFd, LEASE, 'open');
  try {
    ftruncateSync(fd, 0);
    writeSync(fd, `${bootId()} ${clockNs() + LEASE_NS}\n`, 0);
  } finally {
    closeSync(fd);
  }
}

/** Ends a lease, if there is one: whoever holds the directory keeps it from now on. */
export function endLease(addon: WallaAddon, directoryFd: number): void {
  addon.removeTreeAt(directoryFd, LEASE);
}

/** Whether there is a lease whose time is not up. */
export function isLeased(addon: WallaAddon, directoryFd: number): boolean {
  const fd = addon.openPrivateFileAt(directoryFd, LEASE, 'read');
  if (fd < 0) return false;
  try {
    const [boot, until = ''] = readFileSync(fd, 'latin1').trim().split(' ');
    return boot === bootId() && /^\d+$/.test(until) && clockNs() < BigInt(until);
  } finally {
    closeSync(fd);
  }
}
