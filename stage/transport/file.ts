/** Every leader that lacks the image copies the archive itself: one large read a node, and no MPI. */
import { copyFrom } from './copy.ts';
import type { Transport } from './transport.ts';

export const copyOnEachNode: Transport = (_leaders, transfer) =>
  transfer.targetFd < 0 ? undefined : copyFrom(transfer.source, transfer);
