/**
 * The staging directory: where images live on a node, who may touch them, and when they go.
 *
 *     <base>/walla-<uid>/           private to the user
 *       .gate                       locked for the moments in which names below change
 *       .placing                    locked while a process without MPI places an image
 *       <identity>/                 one published image
 *         lock                      every process that uses the image holds a shared flock on it
 *         image                     the archive, byte for byte
 *         files/                    native addons and libraries, with their layout
 *         located                   which question it was found for, and when (located-note.ts)
 *         keep                      present when the image is to outlive its last user
 *         lease                     present when a job is about to start that wants it (lease.ts)
 *       walla-<digest>/             what every rank loads of walla itself (own-copy.ts), with a lock as above
 *       <identity>.<pid>-<time>.partial/   the same, while it is being placed
 *
 * The kernel drops a flock when its holder dies, however it dies. So whoever can take the lock of an
 * image exclusively, while holding the gate, knows that nobody uses it, and may remove it.
 */
import { closeSync, rmdirSync, unlinkSync } from 'node:fs';
import type { WallaAddon } from '../native/addon.ts';
import { loadAddon } from '../native/load-addon.ts';
import { endLease, isLeased, writeLease } from './lease.ts';
import { userDirectory } from './staging-names.ts';
import { checkRoom, noSpace } from './staging-room.ts';
import { lockInTime } from './timed-lock.ts';
import { vanished } from './vanished.ts';

const GATE = '.gate';
/** Lock of node-lock.ts, in the same directory. */
export const PLACING = '.placing';
const KEEP = 'keep';
/** How opening a directory fails where something else has its name. */
const NOT_OURS = new Set(['EPERM', 'EACCES', 'ENOTDIR', 'ELOOP']);

/** A published image that this process holds: it stays while the process lives. */
export interface HeldImage {
  /** Absolute path of the image's directory. */
  path: string;
  directoryFd: number;
  /** Holds the shared lock; closed by the kernel, or by `release`. */
  lockFd: number;
}

/** An image being placed: nobody else sees it before `publish`. */
export interface Placement extends HeldImage {
  partialName: string;
  imageFd: number;
}

export class StagingDirectory {
  /** Directory that the user's directory is in. */
  readonly base: string;
  /** Absolute path of the user's directory. */
  readonly path: string;
  readonly #addon: WallaAddon;

  /** @param base node-local directory, preferably in memory */
  constructor(base: string) {
    this.#addon = loadAddon();
    this.base = base;
    this.path = userDirectory(base);
  }

  /** The one that an image is in. */
  static of(held: HeldImage): StagingDirectory {
    return new StagingDirectory(held.path.replace(/\/[^/]+\/[^/]+$/, '') || '/');
  }

  /**
   * Takes hold of a published image.
   * @param sweep removes what dead jobs left, too
   * @returns undefined when this node has none
   */
  hold(identity: string, sweep = false): HeldImage | undefined {
    return this.#behindGate((userFd) => {
      const held = this.#hold(userFd, identity);
      if (sweep) this.#sweep(userFd);
      return held;
    });
  }

  /**
   * Gives an image up before this process ends. The last holder removes it, unless it is to be kept.
   * @returns whether this process was the last
   */
  release(held: HeldImage): boolean {
    const wasLast = this.#behindGate((userFd) => {
      const name = held.path.slice(this.path.length + 1);
      // Turning our shared lock into an exclusive one works exactly when nobody else has one.
      const last = this.#addon.lock(held.lockFd, 'exclusive', false);
      if (last && !this.#isRetained(held.directoryFd)) this.#addon.removeTreeAt(userFd, name);
      closeSync(held.lockFd);
      closeSync(held.directoryFd);
      return last;
    });
    this.removeIfEmpty();
    return wasLast;
  }

  /** Has an image outlive this process: for good ('keep'), or until the job comes that it was placed for ('lease'). */
  retain(held: HeldImage, how: 'keep' | 'lease'): void {
    this.#behindGate(() => {
      if (how === 'lease') writeLease(this.#addon, held.directoryFd);
      else closeSync(this.#addon.openPrivateFileAt(held.directoryFd, KEEP, 'open'));
    });
  }

  /**
   * Starts to place an image: makes a private directory and a file of this size with its blocks
   * reserved.
   * @throws WallaError ERR_WALLA_NO_SPACE
   */
  begin(identity: string, bytes: number): Placement {
    return this.#behindGate((userFd) => {
      // Not by process id alone: containers that share the directory have the same ones.
      const partialName = `${identity}.${process.pid}-${process.hrtime.bigint()}.partial`;
      const directoryFd = this.#addon.openPrivateDirectoryAt(userFd, partialName, true);
      const lockFd = this.#addon.openPrivateFileAt(directoryFd, 'lock', 'create');
      this.#addon.lock(lockFd, 'shared', true);
      const placement = {
        path: `${this.path}/${identity}`,
        partialName,
        directoryFd,
        lockFd,
        imageFd: -1,
      };
      try {
        if (bytes > 0) {
          checkRoom(directoryFd, bytes, this.path, 'archive needs');
          placement.imageFd = this.#addon.openPrivateFileAt(directoryFd, 'image', 'create');
          this.#addon.reserve(placement.imageFd, bytes);
        }
      } catch (error) {
        this.#drop(userFd, placement);
        throw (error as NodeJS.ErrnoException).code === 'ENOSPC'
          ? noSpace(bytes, this.#addon.fileSystem(userFd).freeBytes, this.path, 'archive needs')
          : error;
      }
      return placement;
    });
  }

  /** Gives a placed image its name. If another job on this node was first, takes hold of its image instead. */
  publish(placement: Placement, identity: string, keep: boolean): HeldImage {
    return this.#behindGate((userFd) => {
      const earlier = this.#hold(userFd, identity);
      if (earlier) {
        this.#drop(userFd, placement);
        return earlier;
      }
      if (keep) closeSync(this.#addon.openPrivateFileAt(placement.directoryFd, KEEP, 'create'));
      try {
        this.#addon.renameAt(userFd, placement.partialName, identity);
      } catch (error) {
        throw (error as NodeJS.ErrnoException).code === 'ENOENT' ? vanished(placement.path) : error;
      }
      if (placement.imageFd >= 0) closeSync(placement.imageFd);
      return { path: placement.path, directoryFd: placement.directoryFd, lockFd: placement.lockFd };
    });
  }

  /** Removes an image that could not be placed. */
  abandon(placement: Placement): void {
    this.#behindGate((userFd) => this.#drop(userFd, placement));
  }

  /**
   * Removes every image that no process holds.
   * @param kept whether images left by WALLA_KEEP go too
   * @returns names removed
   */
  clean(kept: boolean): string[] {
    const removed = this.#behindGate((userFd) => this.#sweep(userFd, kept));
    this.removeIfEmpty();
    return removed;
  }

  /** Removes the user's directory when nothing is left in it. */
  removeIfEmpty(): void {
    this.#behindGate((userFd) => {
      if (this.#addon.listDirectory(userFd).length > 1) return;
      unlinkSync(`${this.path}/${GATE}`);
      try {
        rmdirSync(this.path);
      } catch (error) {
        // Another process came in between and made a gate of its own: the directory is in use again.
        if ((error as NodeJS.ErrnoException).code !== 'ENOTEMPTY') throw error;
      }
    });
  }

  #hold(userFd: number, identity: string): HeldImage | undefined {
    let directoryFd: number;
    try {
      directoryFd = this.#addon.openPrivateDirectoryAt(userFd, identity, false);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
      throw error;
    }
    const lockFd = this.#addon.openPrivateFileAt(directoryFd, 'lock', 'write');
    if (lockFd < 0) {
      closeSync(directoryFd);
      return undefined;
    }
    this.#addon.lock(lockFd, 'shared', true);
    endLease(this.#addon, directoryFd);
    return { path: `${this.path}/${identity}`, directoryFd, lockFd };
  }

  #drop(userFd: number, placement: Placement): void {
    this.#addon.removeTreeAt(userFd, placement.partialName);
    if (placement.imageFd >= 0) closeSync(placement.imageFd);
    closeSync(placement.lockFd);
    closeSync(placement.directoryFd);
  }

  #sweep(userFd: number, kept = false): string[] {
    const removed: string[] = [];
    for (const name of this.#addon.listDirectory(userFd)) {
      if (name === GATE) continue;
      if (name === PLACING) {
        if (this.#isUnlocked(userFd, name)) this.#addon.removeTreeAt(userFd, name);
      } else if (this.#isUnused(userFd, name, kept)) {
        this.#addon.removeTreeAt(userFd, name);
        removed.push(name);
      }
    }
    return removed;
  }

  #isUnused(userFd: number, name: string, kept: boolean): boolean {
    let directoryFd: number;
    try {
      directoryFd = this.#addon.openPrivateDirectoryAt(userFd, name, false);
    } catch (error) {
      // Not a directory of ours: it has no business here. When it could not be looked at, it may be in use.
      return NOT_OURS.has((error as NodeJS.ErrnoException).code ?? '');
    }
    try {
      if (!kept && this.#isRetained(directoryFd)) return false;
      return this.#isUnlocked(directoryFd, 'lock');
    } finally {
      closeSync(directoryFd);
    }
  }

  #isRetained(directoryFd: number): boolean {
    return (
      this.#addon.listDirectory(directoryFd).includes(KEEP) || isLeased(this.#addon, directoryFd)
    );
  }

  /** Whether nobody holds a lock on a file; also true where there is none. */
  #isUnlocked(directoryFd: number, name: string): boolean {
    const fd = this.#addon.openPrivateFileAt(directoryFd, name, 'write');
    if (fd < 0) return true;
    try {
      return this.#addon.lock(fd, 'exclusive', false);
    } finally {
      closeSync(fd);
    }
  }

  /** Runs `action` alone among all processes that change names in the user's directory. */
  #behindGate<T>(action: (userFd: number) => T): T {
    for (;;) {
      const userFd = this.#addon.openPrivateDirectory(this.path, true);
      let gateFd = -1;
      try {
        gateFd = this.#addon.openPrivateFileAt(userFd, GATE, 'open');
        lockInTime(this.#addon, gateFd, `${this.path}/${GATE}`);
        // The last user may have removed gate and directory while we waited: then start again.
        if (this.#addon.isSameFile(gateFd, userFd, GATE)) return action(userFd);
      } catch (error) {
        // The directory was removed between opening it and opening its gate.
        if ((error as NodeJS.ErrnoException).code !== 'ENOENT' || gateFd >= 0) throw error;
      } finally {
        if (gateFd >= 0) closeSync(gateFd);
        closeSync(userFd);
      }
    }
  }
}
