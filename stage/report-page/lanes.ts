/**
 * Lays slices of time into lanes in which each two are apart or one holds the other: what viewers of traces take a
 * thread for. They draw slices that overlap in part where they did not happen, or leave them out.
 */
export interface Slice {
  startUs: number;
  endUs: number;
}

/** A report says times to a hundredth of a millisecond: a start and an end of the same moment differ by this at most. */
const ROUNDING_US = 20;

/** @returns the slices in order of their starts, ends cut to what was rounded, each with its lane from 0 on */
export function intoLanes<T extends Slice>(slices: readonly T[]): (T & { lane: number })[] {
  const lanes: Slice[][] = [];
  return slices
    .toSorted((a, b) => a.startUs - b.startUs || b.endUs - a.endUs)
    .map((slice) => {
      for (let lane = 0; ; lane++) {
        const fitted = fit(slice, (lanes[lane] ??= []));
        if (fitted) return { ...slice, ...fitted, lane };
      }
    });
}

/** Puts a slice into a lane, if it fits there. @param open slices of the lane, each within the one before */
function fit({ startUs, endUs }: Slice, open: Slice[]): Slice | undefined {
  for (let depth = open.length; ; depth--) {
    const around = open[depth - 1];
    const over = around ? around.endUs - startUs : 0;
    if (around && endUs > around.endUs && over <= ROUNDING_US) {
      // It begins when that one is over.
      if (over > 0) startUs = around.endUs;
      continue;
    }
    if (around && endUs - around.endUs > ROUNDING_US) return undefined;
    const fitted = { startUs, endUs: around ? Math.min(endUs, around.endUs) : endUs };
    open.splice(depth, Infinity, fitted);
    return fitted;
  }
}
