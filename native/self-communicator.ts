/** A communicator of one rank that needs no MPI, with the same results as MPI gives one rank. */

import { fstatSync, readSync, writeSync } from 'node:fs';

import { PieceDigest } from '../stage/format/piece-digest.ts';
import type { FileBroadcast, NativeCommunicator } from './mpi-addon.ts';

/** Read at a time where the caller leaves it open. */
const COPY_BYTES = 1 << 20;
/** Between two calls of onProgress. */
const PROGRESS_MS = 100;

/** As the addon throws it. */
function transferError(call: string, errno: number, at: number, bytes: number, why: string): Error {
  const [syscall = ''] = call.split(' ');
  const message = `${call} failed on rank 0 at byte ${at} of ${bytes}: ${why}`;
  return Object.assign(new Error(message), { code: 'ERR_WALLA_TRANSFER', errno, syscall, rank: 0 });
}

export class SelfCommunicator implements NativeCommunicator {
  readonly rank = 0;
  readonly size = 1;
  readonly handle = undefined;

  barrier(): void {
    // Nobody else to wait for.
  }

  bcast(): void {
    // The one rank has the bytes already.
  }

  allreduce(): void {
    // Over one rank the sum, the least and the greatest are the value itself.
  }

  agree(): void {
    // As allreduce.
  }

  gather(bytes: Uint8Array): Buffer[] {
    return [Buffer.from(bytes)];
  }

  allgather(bytes: Uint8Array): Buffer[] {
    return [Buffer.from(bytes)];
  }

  split(color: number | undefined): SelfCommunicator | undefined {
    return color === undefined ? undefined : new SelfCommunicator();
  }

  splitByNode(): SelfCommunicator {
    return new SelfCommunicator();
  }

  broadcastFile(transfer: FileBroadcast): string {
    const { sourceFd, targetFd, bytes, hashFrom, chunkBytes, onProgress } = transfer;
    const digest = new PieceDigest();
    const buffer = Buffer.allocUnsafe(Math.min(chunkBytes || COPY_BYTES, Math.max(bytes, 1)));
    let at = 0;
    let nextMs = 0;
    let thrown: { error: unknown } | undefined;
    const attempt = <T>(call: string, work: () => T): T => {
      try {
        return work();
      } catch (error) {
        const { errno, message } = error as NodeJS.ErrnoException;
        throw transferError(call, errno ?? 0, at, bytes, message);
      }
    };
    const checkSize = (what: string, fd: number): void => {
      const { size } = attempt(`fstat of ${what}`, () => fstatSync(fd));
      if (size < bytes)
        throw transferError(`fstat of ${what}`, 0, size, bytes, 'the file ends there');
    };

    checkSize('the source', sourceFd);
    if (targetFd >= 0) checkSize('the target', targetFd);
    while (at < bytes) {
      const want = Math.min(buffer.length, bytes - at);
      const got = attempt('pread of the source', () => readSync(sourceFd, buffer, 0, want, at));
      if (got === 0)
        throw transferError('pread of the source', 0, at, bytes, 'the file ends there');
      for (let put = 0; targetFd >= 0 && put < got;) {
        const from = put;
        put += attempt('pwrite of the target', () =>
          writeSync(targetFd, buffer, from, got - from, at + from),
        );
      }
      digest.update(buffer.subarray(Math.min(got, Math.max(0, hashFrom - at)), got));
      at += got;
      const now = Date.now();
      if (at < bytes && now < nextMs) continue;
      nextMs = now + PROGRESS_MS;
      try {
        if (!thrown) onProgress?.(at);
      } catch (error) {
        thrown = { error };
      }
    }
    if (thrown) throw thrown.error;
    return digest.finish();
  }

  free(): void {
    // Holds nothing.
  }
}
