/** Every leader that lacks the image copies the archive itself: one large read a node, and no MPI. */
import { loadAddon } from '../../native/load-addon.ts';
import type { Transport } from './transport.ts';

export const copyOnEachNode: Transport = (_leaders, { source, targetFd, bytes, hashFrom }) =>
  targetFd < 0 ? undefined : loadAddon().copyFile(source(), targetFd, bytes, hashFrom);
