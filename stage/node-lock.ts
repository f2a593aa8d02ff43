/**
 * Processes on one node that do not share an MPI job still place an image once: each waits, asleep, for
 * the lock of the one that is at work, and then finds the image.
 */
import { closeSync } from 'node:fs';
import { loadAddon } from '../native/load-addon.ts';
import type { StageOptions } from './options.ts';
import { baseCandidates, chooseBase } from './staging-base.ts';
import { PLACING, StagingDirectory } from './staging-directory.ts';
import { lockInTime } from './timed-lock.ts';

/** Runs `action` while no other process of this user on this node does. */
export function withNodeLock<T>(options: StageOptions, action: () => T): T {
  const addon = loadAddon();
  const directory = new StagingDirectory(
    chooseBase(baseCandidates(process.env, options.directory)),
  );
  const { path } = directory;
  for (;;) {
    const userFd = addon.openPrivateDirectory(path, true);
    let lockFd = -1;
    try {
      lockFd = addon.openPrivateFileAt(userFd, PLACING, 'open');
      lockInTime(addon, lockFd, `${path}/${PLACING}`);
      if (!addon.isSameFile(lockFd, userFd, PLACING)) continue; // its last holder removed it
      let done = false;
      try {
        const result = action();
        done = true;
        return result;
      } finally {
        // In the directory that was opened, wherever that is now.
        if (addon.isSameFile(lockFd, userFd, PLACING)) addon.removeTreeAt(userFd, PLACING);
        if (!done) directory.removeIfEmpty();
      }
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT' || lockFd >= 0) throw error;
    } finally {
      if (lockFd >= 0) closeSync(lockFd);
      closeSync(userFd);
    }
  }
}
