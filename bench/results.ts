/** What `npm run bench` writes and `npm run bench:plot` reads. */
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
  /** Why others were not measured, by name. */
  left: Record<string, string>;
  rows: Row[];
}

/** The rounds of one contender on one layout, in their order. */
export function rowsOf(results: Results, contender: string, { nodes, ranks }: Layout): Row[] {
  return results.rows
    .filter((row) => row.contender === contender && row.nodes === nodes && row.ranks === ranks)
    .sort((a, b) => a.round - b.round);
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
