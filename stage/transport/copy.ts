/** A copy on this node, with the digest taken as the bytes arrive. */
import { loadAddon } from '../../native/load-addon.ts';
import { WallaError } from '../errors.ts';
import type { Transfer } from './transport.ts';

/**
 * Copies from an open file. Not collective.
 * @returns hex SHA-256, as Transport
 * @throws WallaError ERR_WALLA_ARCHIVE_DAMAGED when the source ends early, ERR_WALLA_TRANSFER when it cannot be read
 */
export function copyFrom(
  open: () => number,
  { targetFd, bytes, hashFrom, onBytes }: Omit<Transfer, 'source'>,
): string {
  const onProgress = onBytes && ((done: number) => onBytes(done, bytes));
  try {
    return loadAddon().copyFile(open(), targetFd, bytes, hashFrom, onProgress);
  } catch (error) {
    throw transferError(error);
  }
}

/** Gives an error of the file system a code. */
export function transferError(error: unknown): WallaError {
  const damaged = (error as { code?: unknown } | null)?.code === 'ERR_WALLA_ARCHIVE_DAMAGED';
  return WallaError.from(error, damaged ? 'ERR_WALLA_ARCHIVE_DAMAGED' : 'ERR_WALLA_TRANSFER');
}
