/** Every leader that lacks the image downloads the archive itself; the root has it already. */
import { loadAddon } from '../../native/load-addon.ts';
import { WallaError } from '../errors.ts';
import { downloadInto } from './fetched-archive.ts';
import type { Transport } from './transport.ts';

export const downloadOnEachNode: Transport = (leaders, transfer) => {
  const { source, targetFd, bytes, hashFrom, url, timeoutMs } = transfer;
  if (targetFd < 0) return undefined;
  const sourceFd = leaders.rank === 0 ? source() : -1;
  if (sourceFd >= 0) return loadAddon().copyFile(sourceFd, targetFd, bytes, hashFrom);
  if (url === undefined)
    throw new WallaError('ERR_WALLA_OPTION', 'WALLA_TRANSPORT is "http", WALLA_ARCHIVE no URL', {
      hint: 'name the archive as https://HOST/PATH in WALLA_ARCHIVE, or leave WALLA_TRANSPORT out',
    });
  return downloadInto(url, targetFd, timeoutMs);
};
