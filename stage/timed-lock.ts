/** Takes locks that other processes hold for moments, or for as long as they place an image, but not for ever. */
import { fstatSync, readFileSync } from 'node:fs';
import type { WallaAddon } from '../native/addon.ts';
import { patienceMs } from '../native/world.ts';
import { WallaError } from './errors.ts';
import { processMs } from './process-clock.ts';

const FIRST_PAUSE_MS = 2;
const LONGEST_PAUSE_MS = 50;

/**
 * Waits, asleep, for an exclusive flock.
 * @param path of the file, for the message
 * @throws WallaError ERR_WALLA_TIMEOUT that names the holder, when it has not let go after WALLA_TIMEOUT
 */
export function lockInTime(addon: WallaAddon, fd: number, path: string): void {
  if (addon.lock(fd, 'exclusive', false)) return;
  const timeoutMs = patienceMs(process.env);
  const start = processMs();
  const cell = new Int32Array(new SharedArrayBuffer(4));
  let pause = FIRST_PAUSE_MS;
  while (!addon.lock(fd, 'exclusive', false)) {
    if (timeoutMs > 0 && processMs() - start > timeoutMs)
      throw new WallaError(
        'ERR_WALLA_TIMEOUT',
        `waited ${timeoutMs / 1000} s for ${path}, which ${holder(fd)} has locked`,
        { hint: 'look at that process: it may be stopped; when it ends, its lock goes' },
      );
    Atomics.wait(cell, 0, 0, pause);
    pause = Math.min(pause * 1.5, LONGEST_PAUSE_MS);
  }
}

/** Who holds a flock on the file, as the kernel says. */
function holder(fd: number): string {
  try {
    const inode = fstatSync(fd).ino;
    const line = readFileSync('/proc/locks', 'utf8')
      .split('\n')
      .find((text) => text.includes(' FLOCK ') && text.includes(`:${inode} `));
    const pid = line && /WRITE\s+(\d+)/.exec(line)?.[1];
    return pid === undefined ? 'another process' : `process ${pid}`;
  } catch {
    return 'another process';
  }
}
