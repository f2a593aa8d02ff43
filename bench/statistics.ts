/** The few numbers that a benchmark's tables are made of. */

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((x, y) => x - y);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1
    ? (sorted[middle] ?? NaN)
    : ((sorted[middle - 1] ?? NaN) + (sorted[middle] ?? NaN)) / 2;
}

/** Median, least and greatest of ratios taken round by round, which hold when the machine's speed drifts. */
export interface Ratio {
  median: number;
  min: number;
  max: number;
}

/** @returns undefined where no round has both */
export function ratio(above: readonly number[], below: readonly number[]): Ratio | undefined {
  const ratios = above.flatMap((value, round) => {
    const other = below[round];
    return other === undefined || Number.isNaN(value / other) ? [] : [value / other];
  });
  if (ratios.length === 0) return undefined;
  return { median: median(ratios), min: Math.min(...ratios), max: Math.max(...ratios) };
}
