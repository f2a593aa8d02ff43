/** What `npm run bench` writes and `npm run bench:plot` reads. */
import { mkdirSync, renameSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import type { Measurement } from './measure.ts';
import type { SharedFsOptions } from './sharedfs/shared-fs.ts';

export interface Layout {
  nodes: number;
  /** On each node. */
  ranks: number;
}

export interface Row extends Layout, Measurement {
  contender: string;
  round: number;
}

/** A job that came to no result. */
export interface Failure extends Layout {
  contender: string;
  round: number;
  why: string;
}

export interface Results {
  when: string;
  machine: { cpu: string; cores: number; load: number[] };
  /** Major version of Node.js. */
  node: number;
  program: string;
  server: SharedFsOptions;
  rounds: number;
  /** What each isolates, by name, in the order of the tables. */
  contenders: Record<string, string>;
  /** Why others were not measured, or from some round on no more, by name. */
  left: Record<string, string>;
  failures: Failure[];
  rows: Row[];
}

/** Leaves the results before it whole when it is interrupted. */
export function writeResults(file: string, results: Results): void {
  mkdirSync(dirname(file), { recursive: true });
  const aside = `${file}.${process.pid}`;
  writeFileSync(aside, JSON.stringify(results, null, 1));
  renameSync(aside, file);
}

/** The rounds of one contender on one layout, in their order. */
export function rowsOf(results: Results, contender: string, { nodes, ranks }: Layout): Row[] {
  return results.rows
    .filter((row) => row.contender === contender && row.nodes === nodes && row.ranks === ranks)
    .sort((a, b) => a.round - b.round);
}

/** The same as one value for each round, NaN where the round failed: for ratios of equal rounds. */
export function byRound(
  results: Results,
  contender: string,
  layout: Layout,
  pick: (row: Row) => number,
): number[] {
  const rows = rowsOf(results, contender, layout);
  return Array.from({ length: results.rounds }, (_, round) => {
    const row = rows.find((each) => each.round === round);
    return row ? pick(row) : NaN;
  });
}

/** All layouts that were measured. */
export function layoutsOf(results: Results): Layout[] {
  const keys = new Set(results.rows.map(({ nodes, ranks }) => `${nodes} ${ranks}`));
  return [...keys].map((key) => {
    const [nodes = NaN, ranks = NaN] = key.split(' ').map(Number);
    return { nodes, ranks };
  });
}

/**
 * What a job would take if every node had this machine's processors to itself: the time in which they were busy was
 * shared by all nodes, and would have been spent by each for its own part alone.
 */
export function adjustedSeconds({ seconds, busy, nodes }: Row): number {
  return seconds - seconds * busy * (1 - 1 / nodes);
}
