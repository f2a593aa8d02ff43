/** One node: its leader is the root, and copies what it has open. */
import { loadAddon } from '../../native/load-addon.ts';
import { WallaError } from '../errors.ts';
import type { Transport } from './transport.ts';

export const copyOnRoot: Transport = (leaders, { source, targetFd, bytes, hashFrom }) => {
  if (leaders.size > 1)
    throw new WallaError(
      'ERR_WALLA_OPTION',
      `WALLA_TRANSPORT is "self", which serves one node; this job has ${leaders.size}`,
      { hint: 'leave WALLA_TRANSPORT out' },
    );
  return targetFd < 0 ? undefined : loadAddon().copyFile(source(), targetFd, bytes, hashFrom);
};
