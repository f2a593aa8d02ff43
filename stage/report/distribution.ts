/** A value that every rank has, in a size that does not grow with the number of ranks. */

export interface RankValue {
  rank: number;
  host: string;
  value: number;
}

/**
 * How a value is spread over ranks. Quantiles are values of ranks, not interpolated: the smallest value that at least
 * that share of the ranks does not exceed (the nearest-rank method).
 */
export interface Distribution {
  /** How many ranks it is over. */
  ranks: number;
  min: number;
  p25: number;
  median: number;
  p75: number;
  p99: number;
  max: number;
  /** Sum over these ranks. */
  total: number;
  /** Those with the largest values, the largest first; by rank where values are equal. */
  largest: RankValue[];
}

/** How many ranks `largest` names. */
const NAMED_RANKS = 5;

/** @returns undefined for no values */
export function distribute(values: readonly RankValue[]): Distribution | undefined {
  const sorted = [...values].sort((a, b) => a.value - b.value || b.rank - a.rank);
  const at = (share: number): number =>
    round(sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)]?.value ?? 0);
  if (sorted.length === 0) return undefined;
  return {
    ranks: sorted.length,
    min: at(0),
    p25: at(0.25),
    median: at(0.5),
    p75: at(0.75),
    p99: at(0.99),
    max: at(1),
    total: round(sorted.reduce((sum, { value }) => sum + value, 0)),
    largest: sorted
      .slice(-NAMED_RANKS)
      .reverse()
      .map(({ rank, host, value }) => ({ rank, host, value: round(value) })),
  };
}

/** To hundredths: a report is read, and clocks are no finer across nodes. */
export function round(value: number): number {
  return Math.round(value * 100) / 100;
}
