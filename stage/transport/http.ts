/** Every leader that lacks the image downloads the archive itself; the root has it already. */
import { WallaError } from '../errors.ts';
import { copyFrom, transferError } from './copy.ts';
import { downloadInto } from './fetched-archive.ts';
import type { Transport } from './transport.ts';

export const downloadOnEachNode: Transport = (leaders, transfer) => {
  const { source, targetFd, url, timeoutMs } = transfer;
  if (targetFd < 0) return undefined;
  const sourceFd = leaders.rank === 0 ? open(source) : -1;
  if (sourceFd >= 0) return copyFrom(() => sourceFd, transfer);
  if (url === undefined)
    throw new WallaError('ERR_WALLA_OPTION', 'WALLA_TRANSPORT is "http", WALLA_ARCHIVE no URL', {
      hint: 'name the archive as https://HOST/PATH in WALLA_ARCHIVE, or leave WALLA_TRANSPORT out',
    });
  return downloadInto(url, targetFd, timeoutMs);
};

function open(source: () => number): number {
  try {
    return source();
  } catch (error) {
    throw transferError(error);
  }
}
