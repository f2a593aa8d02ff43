/** What staging took, over all ranks, in a size that does not grow with their number. */
import type { PhaseTime } from '../job.ts';
import { distribute, type RankValue, round } from './distribution.ts';
import type { PhaseSummary, RankTimes, Staging, TimelineRow, TimelineSpan } from './report.ts';

/** Nodes that the time line has. */
const MOST_ROWS = 32;
/** Of these so many are the slowest. */
const SLOWEST_ROWS = 8;

/**
 * An instant that all ranks know, on this rank's clock. Ranks that stage together leave the first agreement together;
 * others have only the clock of the day.
 */
export function rankClock({ times, timeOriginMs }: RankTimes, together: boolean): number {
  const agreed = times.find(({ phase }) => phase === 'boot');
  return together && agreed ? agreed.startMs + agreed.ms : -timeOriginMs;
}

/**
 * @param ranks those that tell, the lowest rank first; its start is zero of all times
 * @param together whether they agreed on each phase
 */
export function summarizeStaging(ranks: readonly RankTimes[], together: boolean): Staging {
  const first = ranks[0];
  const zero = first ? rankClock(first, together) : 0;
  const set = ranks.map((rank) => {
    const shift = zero - rankClock(rank, together);
    return {
      ...rank,
      times: rank.times.map((time) => ({ ...time, startMs: time.startMs + shift })),
    };
  });
  const received = distribute(
    set
      .filter(({ receivedBytes }) => receivedBytes > 0)
      .map(({ rank, host, receivedBytes }) => ({ rank, host, value: receivedBytes })),
  );
  const nodes = nodesOf(set);
  return {
    nodes: nodes.length,
    phases: phasesOf(set),
    timeline: chooseNodes(nodes, first).sort((a, b) => a.rank - b.rank),
    ...(received && { received }),
  };
}

function phasesOf(ranks: readonly RankTimes[]): Record<string, PhaseSummary> {
  const byPhase = new Map<string, { work: RankValue[]; wait: RankValue[]; times: PhaseTime[] }>();
  for (const { rank, host, times } of ranks)
    for (const time of times) {
      let phase = byPhase.get(time.phase);
      if (!phase) byPhase.set(time.phase, (phase = { work: [], wait: [], times: [] }));
      phase.work.push({ rank, host, value: time.workMs });
      phase.wait.push({ rank, host, value: time.ms - time.workMs });
      phase.times.push(time);
    }
  const all = [...byPhase].flatMap(([name, phase]): [string, PhaseSummary][] => {
    const work = distribute(phase.work);
    const wait = distribute(phase.wait);
    if (!work || !wait) return [];
    const within = phase.times[0]?.within;
    const starts = phase.times.map(({ startMs }) => startMs);
    const ends = phase.times.map(({ startMs, ms }) => startMs + ms);
    const summary: PhaseSummary = {
      ...(within !== undefined && { within }),
      startMs: round(starts.reduce((least, ms) => Math.min(least, ms))),
      endMs: round(ends.reduce((most, ms) => Math.max(most, ms))),
      work,
      wait,
    };
    return [[name, summary]];
  });
  // A part comes after the whole that begins at the same time.
  return Object.fromEntries(
    all.sort(([, a], [, b]) => a.startMs - b.startMs || (a.within === undefined ? -1 : 1)),
  );
}

interface NodeTimes {
  host: string;
  ranks: number;
  slowest: RankTimes;
  workMs: number;
}

/** The nodes, the fastest first. */
function nodesOf(ranks: readonly RankTimes[]): NodeTimes[] {
  const nodes = new Map<string, NodeTimes>();
  for (const rank of ranks) {
    const { host } = rank;
    const workMs = rank.times.reduce((sum, time) => sum + ownWork(time), 0);
    const node = nodes.get(host);
    if (!node) nodes.set(host, { host, ranks: 1, slowest: rank, workMs });
    else {
      node.ranks++;
      if (workMs > node.workMs) Object.assign(node, { slowest: rank, workMs });
    }
  }
  return [...nodes.values()].sort((a, b) => a.workMs - b.workMs);
}

/** The start of MPI is mostly waiting for others, and a part is in its whole already. */
function ownWork({ phase, within, workMs }: PhaseTime): number {
  return within === undefined && phase !== 'mpi' ? workMs : 0;
}

/** All nodes, or rank 0's, the slowest, and others at equal distances in the order of speed. */
function chooseNodes(nodes: readonly NodeTimes[], root: RankTimes | undefined): TimelineRow[] {
  const last = nodes.length - 1;
  const chosen = new Map<number, TimelineRow['why']>();
  const choose = (index: number, why: TimelineRow['why']): void => {
    if (index >= 0 && !chosen.has(index)) chosen.set(index, why);
  };
  choose(
    nodes.findIndex(({ host }) => host === root?.host),
    'root',
  );
  for (let i = 0; i < Math.min(SLOWEST_ROWS, nodes.length >> 2); i++) choose(last - i, 'slowest');
  const samples = Math.min(nodes.length, MOST_ROWS - chosen.size);
  for (let i = 0; i < samples; i++)
    choose(Math.round((i * last) / Math.max(1, samples - 1)), 'sample');
  // A sample can fall on a node that is there already.
  for (let i = last; i >= 0 && chosen.size < Math.min(MOST_ROWS, nodes.length); i--)
    choose(i, 'sample');
  return [...chosen].flatMap(([index, why]) => {
    const node = nodes[index];
    if (!node) return [];
    const { host, ranks } = node;
    const { rank, times } = why === 'root' && root ? root : node.slowest;
    const quantile = last === 0 ? 1 : round(index / last);
    return [{ host, ranks, rank, why, quantile, spans: times.map(spanOf) }];
  });
}

function spanOf({ phase, within, startMs, workMs, ms }: PhaseTime): TimelineSpan {
  return {
    phase,
    ...(within !== undefined && { within }),
    startMs: round(startMs),
    workMs: round(workMs),
    waitMs: round(ms - workMs),
  };
}
