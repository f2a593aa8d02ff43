/** One node, or no MPI: the leader copies the archive. */
import { loadAddon } from '../../native/load-addon.ts';
import type { Transport } from './transport.ts';

export const copyImage: Transport = (_leaders, { source, targetFd, bytes, hashFrom }) =>
  targetFd < 0 ? undefined : loadAddon().copyFile(source(), targetFd, bytes, hashFrom);
