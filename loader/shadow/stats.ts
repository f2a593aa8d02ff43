/** `fs.Stats` of packed entries. */
import fs from 'node:fs';
import type { NativeImage } from '../../native/addon.ts';

const BLOCK_BYTES = 512;
const PREFERRED_IO_BYTES = 4096;
const NS_PER_MS = 1_000_000n;
const NS_PER_SECOND = 1_000_000_000n;
/** No device has this number: an entry cannot be taken for a file of a real file system. */
const DEVICE = 0x77616c6c;

/** Node.js 20 gives each Stats dates of its own; later versions have getters on the prototype. */
const hasOwnDates = Object.getOwnPropertyDescriptor(fs.Stats.prototype, 'mtime') === undefined;
const TIMES = ['atime', 'mtime', 'ctime', 'birthtime'] as const;

let bigIntPrototype: object | undefined;

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
  return bigint
    ? bigIntStats(numbers, seconds, nanoseconds)
    : plainStats(numbers, seconds * 1e3 + nanoseconds / 1e6);
}

function readStat(image: NativeImage, entry: number): Float64Array {
  const out = new Float64Array(4);
  image.stat(entry, out);
  return out;
}

function plainStats(numbers: Record<string, number>, ms: number): fs.Stats {
  const stats = Object.create(fs.Stats.prototype) as Record<string, unknown>;
  Object.assign(stats, numbers);
  for (const time of TIMES) stats[`${time}Ms`] = ms;
  // As Node.js does: half a millisecond is added so that Date, which truncates, rounds.
  if (hasOwnDates) for (const time of TIMES) stats[time] = new Date(ms + 0.5);
  return stats as unknown as fs.Stats;
}

function bigIntStats(
  numbers: Record<string, number>,
  seconds: number,
  nanoseconds: number,
): fs.BigIntStats {
  bigIntPrototype ??= Object.getPrototypeOf(fs.statSync('/', { bigint: true })) as object;
  const stats = Object.create(bigIntPrototype) as Record<string, unknown>;
  for (const [name, value] of Object.entries(numbers)) stats[name] = BigInt(value);
  const ns = BigInt(seconds) * NS_PER_SECOND + BigInt(nanoseconds);
  for (const time of TIMES) stats[`${time}Ms`] = ns / NS_PER_MS;
  for (const time of TIMES) stats[`${time}Ns`] = ns;
  if (hasOwnDates) for (const time of TIMES) stats[time] = new Date(Number(ns / NS_PER_MS));
  return stats as unknown as fs.BigIntStats;
}
