/** What collective calls cost. */

import { performance } from 'node:perf_hooks';

import type { CollfsAddon } from './addon.ts';
import { loadedAddon, top } from './stack.ts';

/** One operation, on this rank. */
export interface Counter {
  /** 'open', 'stat', ... as libcollfs names it. */
  operation: string;
  /** All of them, failed ones included. */
  calls: number;
  /** Of these: with communication. */
  collective: number;
  /** Of these: answered from what is remembered. */
  cached: number;
  failed: number;
  /** Contents given to this rank. */
  bytes: number;
  totalSeconds: number;
  meanSeconds: number;
  maxSeconds: number;
}

const alone = new Map<string, Counter>();

/**
 * Runs an operation: with libcollfs, which counts it, on the communicator that is pushed; by `fs`, and
 * counted here, where that is one rank without MPI; by `fs` alone where none is.
 * @param bytesOf the contents that a result is
 */
export function perform<T>(
  operation: string,
  together: (addon: CollfsAddon) => T,
  byFs: () => T,
  bytesOf: (result: T) => number = () => 0,
): T {
  const level = top();
  if (!level) return byFs();
  if (!level.addon) return counted(operation, byFs, bytesOf);
  return together(level.addon);
}

function counted<T>(operation: string, work: () => T, bytesOf: (result: T) => number): T {
  const counter = alone.get(operation) ?? {
    operation,
    calls: 0,
    collective: 0,
    cached: 0,
    failed: 0,
    bytes: 0,
    totalSeconds: 0,
    meanSeconds: 0,
    maxSeconds: 0,
  };
  alone.set(operation, counter);
  const start = performance.now();
  let isGood = false;
  try {
    const result = work();
    counter.bytes += bytesOf(result);
    isGood = true;
    return result;
  } finally {
    const seconds = (performance.now() - start) / 1e3;
    counter.calls++;
    if (!isGood) counter.failed++;
    counter.totalSeconds += seconds;
    counter.meanSeconds = counter.totalSeconds / counter.calls;
    counter.maxSeconds = Math.max(counter.maxSeconds, seconds);
  }
}

/** Counters of the operations that were called while a communicator was pushed. Local. */
export function counters(): Counter[] {
  const shared = JSON.parse(loadedAddon()?.counters() ?? '[]') as Counter[];
  return [...shared, ...[...alone.values()].map((counter) => ({ ...counter }))];
}

/** Sets all counters to 0. Local. */
export function resetCounters(): void {
  loadedAddon()?.resetCounters();
  alone.clear();
}
