/** Which fault at which point on which rank: the whole walk, and the share of it that `npm test` takes. */
import type { MpiAbi } from '../../native/launcher.ts';

/** Whether to walk everything. */
export const all = process.env['WALLA_TEST_FAULTS'] === 'all';

const PHASES = ['boot', 'locate', 'reserve', 'transfer', 'extract', 'hold', 'attach'];

/** In the order in which a job comes by. */
export const POINTS = [
  'start',
  'mpi',
  ...PHASES.flatMap((phase) =>
    phase === 'transfer' ? [phase, 'transfer.middle', 'transfer.done'] : [phase, `${phase}.done`],
  ),
];

export type Fault = 'error' | 'kill' | 'stop' | 'delay';
export type Role = 'root' | 'leader' | 'other';

export interface Case {
  mpi: MpiAbi;
  /** Ranks on each node. */
  slots: number[];
  point: string;
  fault: Fault;
  role: Role;
  rank: number;
}

/** The last rank that plays the part: rank 0, the leader of another node, or none of them. */
function rankOf(role: Role, slots: readonly number[]): number | undefined {
  const leaders = slots.map((_, node) => slots.slice(0, node).reduce((sum, n) => sum + n, 0));
  const ranks = slots.reduce((sum, n) => sum + n, 0);
  if (role === 'root') return 0;
  if (role === 'leader') return leaders.slice(1).at(-1);
  for (let rank = ranks - 1; rank > 0; rank--) if (!leaders.includes(rank)) return rank;
  return undefined;
}

/**
 * Only leaders take part in the transfer. Where it is collective among them, nothing that can fail on one of them comes
 * before it within its phase.
 */
function happens(point: string, fault: Fault, role: Role, slots: readonly number[]): boolean {
  if (role === 'other') return point !== 'transfer.middle';
  return point !== 'transfer' || fault !== 'error' || slots.length === 1;
}

function walk(mpi: MpiAbi, slots: number[], faults: Fault[]): Case[] {
  const cases: Case[] = [];
  for (const point of POINTS)
    for (const fault of faults)
      for (const role of ['root', 'leader', 'other'] as const) {
        const rank = rankOf(role, slots);
        if (rank !== undefined && happens(point, fault, role, slots))
          cases.push({ mpi, slots, point, fault, role, rank });
      }
  return cases;
}

export function clusterCases(): Case[] {
  if (all)
    return [
      ...walk('openmpi', [2, 2], ['error', 'kill', 'stop', 'delay']),
      ...walk('openmpi', [1, 1, 1, 1], ['error', 'kill', 'stop', 'delay']),
      ...walk('openmpi', [1, 3, 2], ['error', 'kill']),
    ];
  // Every point once by an error or a kill, in each role in turn; what takes long by example.
  const roles = ['root', 'leader', 'other'] as const;
  const quick = walk('openmpi', [2, 2], ['error', 'kill']).filter(({ point, fault, role }) => {
    const at = POINTS.indexOf(point);
    const wanted = roles[at % 3] ?? 'root';
    return (
      fault === (at % 2 === 0 ? 'error' : 'kill') &&
      role === (point === 'transfer.middle' && wanted === 'other' ? 'leader' : wanted)
    );
  });
  const slow = walk('openmpi', [2, 2], ['stop', 'delay']).filter(({ point, fault, role }) =>
    [
      'start stop other',
      'transfer.middle stop leader',
      'extract stop root',
      'locate delay root',
    ].includes(`${point} ${fault} ${role}`),
  );
  return [...quick, ...slow];
}

/** One node: MPI between the ranks, and the image is copied, not sent. */
export function nodeCases(mpi: MpiAbi): Case[] {
  if (all) return walk(mpi, [3], ['error', 'kill', 'stop', 'delay']);
  return walk(mpi, [3], ['error', 'kill', 'stop']).filter(({ point, fault, role }) =>
    [
      'start error other',
      'mpi kill other',
      'locate error root',
      'transfer.middle error root',
      'attach.done error other',
      'hold stop other',
    ].includes(`${point} ${fault} ${role}`),
  );
}

/** One process without MPI. */
export function selfCases(): Case[] {
  const cases = walk('openmpi', [1], ['error', 'kill', 'delay']).filter(
    ({ point }) => point !== 'mpi',
  );
  const even = (point: string): boolean => POINTS.indexOf(point) % 2 === 0;
  return all
    ? cases
    : cases.filter(({ point, fault }) => fault === (even(point) ? 'kill' : 'error'));
}
