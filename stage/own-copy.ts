/** Takes hold of the copy of walla that this process was loaded from, so that it stays while the process lives. */
import { copiedPackage, leaveCopy, packageDirectory } from '../native/addon-path.ts';
import { loadAddon } from '../native/load-addon.ts';
import type { WallaAddon } from '../native/addon.ts';
import { endLease } from './lease.ts';

/** The last process to end removes the copy, unless it is kept. Does nothing in a process that runs no copy. */
export function holdOwnCopy(): void {
  if (copiedPackage() === undefined) return;
  try {
    if (hold(loadAddon(), packageDirectory())) return;
  } catch {
    // Removed between the moment this process was loaded from it and now.
  }
  leaveCopy();
}

/** @returns whether it is still there, and will be */
function hold(addon: WallaAddon, path: string): boolean {
  const split = path.lastIndexOf('/');
  const userFd = addon.openPrivateDirectory(path.slice(0, split), false);
  let directoryFd = -1;
  try {
    directoryFd = addon.openPrivateDirectoryAt(userFd, path.slice(split + 1), false);
    // Stays open: the kernel drops the lock when the process ends, however it does.
    const lockFd = addon.openPrivateFileAt(directoryFd, 'lock', 'write');
    if (lockFd < 0) return false;
    // Not behind the gate: whoever removes the copy has the lock alone, and takes the file with it.
    const held =
      addon.lock(lockFd, 'shared', false) && addon.isSameFile(lockFd, directoryFd, 'lock');
    if (!held) {
      addon.close(lockFd);
      return false;
    }
    endLease(addon, directoryFd);
    addon.removeAtExit(path, lockFd);
    return true;
  } finally {
    if (directoryFd >= 0) addon.close(directoryFd);
    addon.close(userFd);
  }
}
