/** Whether a staging directory has room for what is about to be written to it. */
import { loadAddon } from '../native/load-addon.ts';
import { WallaError } from './errors.ts';
import { formatBytes } from './format-bytes.ts';
import { memoryRoom } from './memory-limit.ts';

/** tmpfs and ramfs, as statfs(2) names them. */
const MEMORY_FILE_SYSTEMS = new Set([0x01021994, 0x858458f6]);

/**
 * The numbers are had before anything is written: going beyond a group's limit would kill this process.
 * @param fd open directory or file on the file system
 * @param path of the staging directory, for the message
 * @param needs subject and verb of the message
 * @throws WallaError ERR_WALLA_NO_SPACE
 */
export function checkRoom(fd: number, bytes: number, path: string, needs: string): void {
  const { freeBytes, typeMagic } = loadAddon().fileSystem(fd);
  if (freeBytes < bytes) throw noSpace(bytes, freeBytes, path, needs);
  if (!MEMORY_FILE_SYSTEMS.has(typeMagic)) return;
  const room = memoryRoom();
  if (!room || room.freeBytes >= bytes) return;
  throw new WallaError(
    'ERR_WALLA_NO_SPACE',
    `${needs} ${formatBytes(bytes)} of memory in ${path}, the control group ${room.group} leaves ${formatBytes(room.freeBytes)}: limit ${formatBytes(room.limitBytes)}, in use ${formatBytes(room.usedBytes)}`,
    {
      hint: 'give the job more memory per node, set WALLA_DIR to a node-local disk, or leave files out with --exclude',
    },
  );
}

export function noSpace(bytes: number, freeBytes: number, path: string, needs: string): WallaError {
  return new WallaError(
    'ERR_WALLA_NO_SPACE',
    `${needs} ${formatBytes(bytes)}, ${path} has ${formatBytes(freeBytes)} free`,
  );
}
