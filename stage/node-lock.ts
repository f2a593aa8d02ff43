/**
 * Processes on one node that do not share an MPI job still place an image once: each waits, asleep, for
 * the lock of the one that is at work, and then finds the image.
 */
import { loadAddon } from '../native/load-addon.ts';
import type { StageOptions } from './options.ts';
import { baseCandidates, chooseBase } from './staging-base.ts';
import { PLACING, StagingDirectory } from './staging-directory.ts';
import { lockInTime } from './timed-lock.ts';

/**
 * Runs `action` while no other process of this user on this node does.
 * @param action may let the others go on before it ends, with the function it is given
 */
export function withNodeLock<T>(
  options: StageOptions,
  action: (letOthersGoOn: () => void) => T,
): T {
  const directory = new StagingDirectory(
    chooseBase(baseCandidates(process.env, options.directory)),
  );
  const release = takeLock(directory.path);
  let done = false;
  try {
    const result = action(release);
    done = true;
    return result;
  } finally {
    release();
    if (!done) directory.removeIfEmpty();
  }
}

/** @returns gives the lock up, the first time it is called */
function takeLock(path: string): () => void {
  const addon = loadAddon();
  for (;;) {
    const userFd = addon.openPrivateDirectory(path, true);
    let lockFd = -1;
    const close = (): void => {
      if (lockFd >= 0) addon.close(lockFd);
      addon.close(userFd);
    };
    try {
      lockFd = addon.openPrivateFileAt(userFd, PLACING, 'open');
      lockInTime(addon, lockFd, `${path}/${PLACING}`);
      if (addon.isSameFile(lockFd, userFd, PLACING)) {
        let held = true;
        return () => {
          if (!held) return;
          held = false;
          // In the directory that was opened, wherever that is now.
          if (addon.isSameFile(lockFd, userFd, PLACING)) addon.removeTreeAt(userFd, PLACING);
          close();
        };
      }
      close(); // its last holder removed it
    } catch (error) {
      close();
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT' || lockFd >= 0) throw error;
    }
  }
}
