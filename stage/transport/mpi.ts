/**
 * A pipelined broadcast among the leaders whose nodes lack the image, straight into their mapped
 * files. Leaders that have it leave after one reduction.
 */
import type { WallaError } from '../errors.ts';
import { transferError } from './copy.ts';
import type { Transport } from './transport.ts';

/** Root of the broadcast, in the communicator of the leaders. */
const ROOT = 0;

export const broadcastImage: Transport = (leaders, transfer) => {
  const { source, targetFd, bytes, hashFrom, onBytes } = transfer;
  const lacking = new Float64Array([targetFd >= 0 ? 1 : 0]);
  leaders.allreduce(lacking, 'sum');
  if (lacking[0] === 0) return undefined;
  const isRoot = leaders.rank === ROOT;
  const receivers = leaders.split(isRoot || targetFd >= 0 ? 0 : undefined, leaders.rank);
  if (!receivers) return undefined;
  let sourceFd = -1;
  let unopened: WallaError | undefined;
  try {
    if (isRoot) sourceFd = source();
  } catch (error) {
    // The others are on their way into the broadcast, which fails on all when the root has no file.
    unopened = transferError(error);
  }
  try {
    return receivers.broadcastFile({
      root: ROOT,
      sourceFd,
      targetFd,
      bytes,
      hashFrom,
      ...(onBytes && { onProgress: (done) => onBytes(done, bytes) }),
    });
  } catch (error) {
    throw unopened ?? error;
  } finally {
    receivers.free();
  }
};
