/** Which transport a job uses. */
import { WallaError } from '../errors.ts';
import { copyOnEachNode } from './file.ts';
import { downloadOnEachNode } from './http.ts';
import { broadcastImage } from './mpi.ts';
import { copyOnRoot } from './self.ts';
import type { Transport, TransportName } from './transport.ts';

export const TRANSPORTS: Readonly<Record<TransportName, Transport>> = {
  mpi: broadcastImage,
  file: copyOnEachNode,
  http: downloadOnEachNode,
  self: copyOnRoot,
};

/**
 * @param wanted WALLA_TRANSPORT
 * @param leaders number of node leaders
 * @param onSharedFile whether every node can open the archive by its path; false after a download or unpacking
 * @throws WallaError ERR_WALLA_OPTION, on all leaders alike
 */
export function chooseTransport(
  wanted: TransportName | 'auto',
  leaders: number,
  onSharedFile: boolean,
): Transport {
  if (wanted === 'auto') return leaders > 1 ? broadcastImage : copyOnRoot;
  if (wanted === 'file' && leaders > 1 && !onSharedFile)
    throw new WallaError(
      'ERR_WALLA_OPTION',
      'WALLA_TRANSPORT is "file", but the archive is compressed or named by URL: the other nodes cannot copy it',
      { hint: 'name a plain archive on a shared file system, or leave WALLA_TRANSPORT out' },
    );
  return TRANSPORTS[wanted];
}
