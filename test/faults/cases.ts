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
  /** WALLA_TRANSPORT. */
  transport: 'auto' | 'file' | 'http';
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
          cases.push({ mpi, transport: 'auto', slots, point, fault, role, rank });
      }
  return cases;
}

/** Several nodes: leaders get the image by a broadcast. */
export function clusterCases(mpi: MpiAbi): Case[] {
  if (all)
    return [
      ...walk(mpi, [2, 2], ['error', 'kill', 'stop', 'delay']),
      ...walk(mpi, [1, 1, 1, 1], ['error', 'kill', 'stop', 'delay']),
      ...walk(mpi, [1, 3, 2], ['error', 'kill']),
    ];
  if (mpi === 'mpich') return mpichExamples();
  // Every point once by an error or a kill, in each role in turn; what takes long by example.
  const roles = ['root', 'leader', 'other'] as const;
  const quick = walk(mpi, [2, 2], ['error', 'kill']).filter(({ point, fault, role }) => {
    const at = POINTS.indexOf(point);
    const wanted = roles[at % 3] ?? 'root';
    return (
      fault === (at % 2 === 0 ? 'error' : 'kill') &&
      role === (point === 'transfer.middle' && wanted === 'other' ? 'leader' : wanted)
    );
  });
  const slow = walk(mpi, [2, 2], ['stop', 'delay']).filter(({ point, fault, role }) =>
    [
      'start stop other',
      'transfer.middle stop leader',
      'extract stop root',
      'locate delay root',
    ].includes(`${point} ${fault} ${role}`),
  );
  return [...quick, ...slow];
}

/** One of each way to end: before MPI is up, by agreement, in the broadcast, by the launcher, by a wait that is over. */
function mpichExamples(): Case[] {
  return walk('mpich', [2, 1, 1], ['error', 'kill', 'stop']).filter(({ point, fault, role }) =>
    [
      'start error leader',
      'reserve error other',
      'transfer.middle error root',
      'transfer.middle kill leader',
      'start stop leader',
    ].includes(`${point} ${fault} ${role}`),
  );
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

/** Between these a leader that fetches by itself does what differs from the other transports. */
const FETCH_POINTS = ['locate.middle', 'reserve', 'transfer', 'transfer.middle', 'extract'];

function fetchWalk(transport: 'file' | 'http', slots: number[], roles: Role[]): Case[] {
  const cases: Case[] = [];
  for (const point of FETCH_POINTS)
    for (const fault of ['error', 'kill', 'stop', 'delay'] as const)
      for (const role of roles) {
        const rank = rankOf(role, slots);
        // The root alone downloads before the ranks know what they stage.
        const byRootAlone = point === 'locate.middle';
        if (byRootAlone && (transport === 'file' || role !== 'root')) continue;
        if (point === 'transfer.middle' && role === 'other') continue;
        if (rank !== undefined)
          cases.push({ mpi: 'openmpi', transport, slots, point, fault, role, rank });
      }
  return cases;
}

const pick = (cases: Case[], wanted: string[]): Case[] =>
  cases.filter(({ transport, point, fault, role }) =>
    wanted.includes(`${transport} ${point} ${fault} ${role}`),
  );

/** Several nodes, of which each copies or downloads. */
export function transportCases(): Case[] {
  const both = (slots: number[], roles: Role[]): Case[] =>
    (['file', 'http'] as const).flatMap((transport) => fetchWalk(transport, slots, roles));
  if (all)
    return [...both([2, 1], ['root', 'leader', 'other']), ...both([1, 2, 1], ['root', 'leader'])];
  return [
    ...pick(both([2, 1], ['root', 'leader', 'other']), [
      'file transfer.middle kill leader',
      'http locate.middle error root',
      'http transfer.middle error leader',
      'http transfer.middle stop leader',
    ]),
    ...pick(both([1, 2, 1], ['root', 'leader']), [
      'file transfer.middle error root',
      'http transfer.middle kill leader',
      'http transfer.middle delay leader',
    ]),
  ];
}

/** One process without MPI, told to use these transports. Nobody waits for it when it is stopped. */
export function transportSelfCases(): Case[] {
  const cases = (['file', 'http'] as const)
    .flatMap((transport) => fetchWalk(transport, [1], ['root']))
    .filter(({ fault }) => fault !== 'stop');
  if (all) return cases;
  return pick(cases, ['file transfer.middle kill root', 'http locate.middle kill root']);
}
