/** Makes `fs.Stats` and `fs.BigIntStats` from numbers, as this version of Node.js does. */
import fs from 'node:fs';

const NS_PER_MS = 1_000_000n;
const NS_PER_SECOND = 1_000_000_000n;

/** Node.js 20 gives each Stats dates of its own; later versions have getters on the prototype. */
const hasOwnDates = Object.getOwnPropertyDescriptor(fs.Stats.prototype, 'mtime') === undefined;

export const TIMES = ['atime', 'mtime', 'ctime', 'birthtime'] as const;
export type TimeName = (typeof TIMES)[number];

/** From Node.js 26 on, `mtimeInstant` and the like are exact by fields that only symbols lead to. */
const hasInstants = 'mtimeInstant' in fs.Stats.prototype;

/** The real one: a path that it is asked for may be packed. */
const { statSync } = fs;
const SOME_PATH = '/';

let bigIntPrototype: object | undefined;
let restKeys: readonly [key: symbol, time: TimeName][] | undefined;

/**
 * @param numbers the fields that are no times, in the order in which `fs` shows them
 * @param timeOf each time since 1970
 */
export function plainStats(
  numbers: Record<string, number>,
  timeOf: (time: TimeName) => readonly [seconds: number, nanoseconds: number],
): fs.Stats {
  const msOf = (time: TimeName): number => {
    const [seconds, rest] = timeOf(time);
    return seconds * 1e3 + rest / 1e6;
  };
  const stats = Object.create(fs.Stats.prototype) as Record<string, unknown>;
  Object.assign(stats, numbers);
  for (const time of TIMES) stats[`${time}Ms`] = msOf(time);
  // As Node.js does: half a millisecond is added so that Date, which truncates, rounds.
  if (hasOwnDates) for (const time of TIMES) stats[time] = new Date(msOf(time) + 0.5);
  if (hasInstants) {
    restKeys ??= findRestKeys();
    for (const [key, time] of restKeys) (stats as Record<symbol, unknown>)[key] = timeOf(time)[1];
  }
  return stats as unknown as fs.Stats;
}

/** As above, exact. */
export function bigIntStats(
  numbers: Record<string, number | bigint>,
  nsOf: (time: TimeName) => bigint,
): fs.BigIntStats {
  bigIntPrototype ??= Object.getPrototypeOf(statSync(SOME_PATH, { bigint: true })) as object;
  const stats = Object.create(bigIntPrototype) as Record<string, unknown>;
  for (const [name, value] of Object.entries(numbers)) stats[name] = BigInt(value);
  for (const time of TIMES) stats[`${time}Ms`] = nsOf(time) / NS_PER_MS;
  for (const time of TIMES) stats[`${time}Ns`] = nsOf(time);
  if (hasOwnDates) for (const time of TIMES) stats[time] = new Date(Number(nsOf(time) / NS_PER_MS));
  return stats as unknown as fs.BigIntStats;
}

/** Where this Node.js keeps the nanoseconds, by the names of the symbols in a Stats of its own. */
function findRestKeys(): [key: symbol, time: TimeName][] {
  const keys = Object.getOwnPropertySymbols(statSync(SOME_PATH));
  return keys.flatMap((key) => {
    const name = key.description?.toLowerCase() ?? '';
    const time = TIMES.find((one) => name.includes(one));
    return time === undefined ? [] : [[key, time]];
  });
}

/** Nanoseconds of a time in seconds and nanoseconds. */
export function nanoseconds(seconds: number | bigint, rest: number | bigint): bigint {
  return BigInt(seconds) * NS_PER_SECOND + BigInt(rest);
}
