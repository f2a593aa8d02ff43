/** One node: its leader is the root, and copies what it has open. */
import { WallaError } from '../errors.ts';
import { copyFrom } from './copy.ts';
import type { Transport } from './transport.ts';

export const copyOnRoot: Transport = (leaders, transfer) => {
  if (leaders.size > 1)
    throw new WallaError(
      'ERR_WALLA_OPTION',
      `WALLA_TRANSPORT is "self", which serves one node; this job has ${leaders.size}`,
      { hint: 'leave WALLA_TRANSPORT out' },
    );
  return transfer.targetFd < 0 ? undefined : copyFrom(transfer.source, transfer);
};
