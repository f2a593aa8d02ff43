/** `fs.Stats` from the numbers of the addon. */

import type * as fs from 'node:fs';

import {
  bigIntStats,
  nanoseconds,
  plainStats,
  TIMES,
  type TimeName,
} from '../../loader/shadow/fs-stats.ts';

/** In the order of putNumbers in native/binding/collfs_binding.cpp; then seconds and nanoseconds of each time. */
const FIELDS = [
  'dev',
  'mode',
  'nlink',
  'uid',
  'gid',
  'rdev',
  'blksize',
  'ino',
  'size',
  'blocks',
] as const;

/** How many numbers stand for one file. */
export const NUMBERS = FIELDS.length + 2 * TIMES.length;

/** @param at position of the file's numbers */
export function statsOf(
  numbers: BigInt64Array,
  at: number,
  bigint: boolean,
): fs.Stats | fs.BigIntStats {
  const value = (index: number): bigint => numbers[at + index] ?? 0n;
  const timeOf = (time: TimeName): readonly [seconds: bigint, rest: bigint] => {
    const index = FIELDS.length + 2 * TIMES.indexOf(time);
    return [value(index), value(index + 1)];
  };
  if (bigint) {
    const fields = Object.fromEntries(FIELDS.map((name, index) => [name, value(index)]));
    return bigIntStats(fields, (time) => nanoseconds(...timeOf(time)));
  }
  const fields = Object.fromEntries(FIELDS.map((name, index) => [name, Number(value(index))]));
  return plainStats(fields, (time) => {
    const [seconds, rest] = timeOf(time);
    return [Number(seconds), Number(rest)];
  });
}
