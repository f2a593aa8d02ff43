/** `fs.Stats` of packed entries. */
import type fs from 'node:fs';
import type { NativeImage } from '../../native/addon.ts';
import { bigIntStats, nanoseconds as inNanoseconds, plainStats } from './fs-stats.ts';

const BLOCK_BYTES = 512;
const PREFERRED_IO_BYTES = 4096;
/** No device has this number: an entry cannot be taken for a file of a real file system. */
const DEVICE = 0x77616c6c;

/**
 * Only mode, size and modification time are the file's own; all times are the modification time, and
 * device and inode are walla's.
 */
export function statsOf(
  image: NativeImage,
  entry: number,
  bigint: boolean,
): fs.Stats | fs.BigIntStats {
  const [mode = 0, size = 0, seconds = 0, nanoseconds = 0] = readStat(image, entry);
  const numbers = {
    dev: DEVICE,
    mode,
    nlink: 1,
    uid: process.geteuid?.() ?? 0,
    gid: process.getegid?.() ?? 0,
    rdev: 0,
    blksize: PREFERRED_IO_BYTES,
    ino: entry + 1,
    size,
    blocks: Math.ceil(size / BLOCK_BYTES),
  };
  if (bigint) {
    const ns = inNanoseconds(seconds, nanoseconds);
    return bigIntStats(numbers, () => ns);
  }
  const time = [seconds, nanoseconds] as const;
  return plainStats(numbers, () => time);
}

function readStat(image: NativeImage, entry: number): Float64Array {
  const out = new Float64Array(4);
  image.stat(entry, out);
  return out;
}
