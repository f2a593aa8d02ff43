/** Opens what WALLA_ARCHIVE names as a plain archive on this node. Never collective. */
import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs';
import { WallaError } from './errors.ts';
import type { StageOptions } from './options.ts';
import { isArchiveUrl, parseArchiveUrl, showUrl } from './transport/archive-url.ts';
import { downloadArchive, unpackArchive } from './transport/fetched-archive.ts';

export interface ArchiveSource {
  /** Path or URL, for messages: without credentials. */
  path: string;
  /** Open for reading; whoever gets it closes it. */
  fd: number;
  /** Whether it is the plain file at `path`, rather than a downloaded or unpacked copy. */
  onSharedFile: boolean;
}

/**
 * A plain file is opened as it is; one that is compressed or on a server as a copy on this node.
 * @throws WallaError
 */
export function openPlain(archive: string, options: StageOptions): ArchiveSource {
  const path = showArchive(archive);
  if (isArchiveUrl(archive))
    return { path, fd: downloadArchive(archive, options), onSharedFile: false };
  const fd = openFile(path);
  let keep = false;
  try {
    if (!fstatSync(fd).isFile())
      throw new WallaError('ERR_WALLA_ARCHIVE_FORMAT', `${path} is not a file`);
    const start = Buffer.alloc(2);
    readFrom(fd, path, start, 0);
    if (start[0] === 0x1f && start[1] === 0x8b)
      return { path, fd: unpackArchive(fd, path, options), onSharedFile: false };
    keep = true;
    return { path, fd, onSharedFile: true };
  } finally {
    if (!keep) closeSync(fd);
  }
}

/** What WALLA_ARCHIVE names, for messages. */
export function showArchive(archive: string): string {
  return isArchiveUrl(archive) ? showUrl(parseArchiveUrl(archive)) : archive;
}

/** @throws WallaError ERR_WALLA_ARCHIVE_MISSING, ERR_WALLA_UNREADABLE */
export function openFile(path: string): number {
  try {
    // A FIFO would keep the job waiting for its writer.
    return openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    throw new WallaError(
      code === 'ENOENT' || code === 'ENOTDIR'
        ? 'ERR_WALLA_ARCHIVE_MISSING'
        : 'ERR_WALLA_UNREADABLE',
      `cannot open the archive: ${message}`,
      { cause: error },
    );
  }
}

/**
 * Fills a buffer from an archive, or as much of it as the file has.
 * @param path for the message
 * @returns number of bytes
 * @throws WallaError ERR_WALLA_UNREADABLE
 */
export function readFrom(fd: number, path: string, buffer: Buffer, position: number): number {
  try {
    return readSync(fd, buffer, 0, buffer.length, position);
  } catch (error) {
    throw new WallaError(
      'ERR_WALLA_UNREADABLE',
      `cannot read ${path}: ${(error as Error).message}`,
      {
        cause: error,
        hint: 'name a file that can be read in WALLA_ARCHIVE',
      },
    );
  }
}
