/** What each phase is, and the group that gives it its colour. */

export type PhaseGroup = 'start' | 'find' | 'place' | 'extract' | 'attach' | 'program';

interface PhaseText {
  group: PhaseGroup;
  what: string;
}

const PHASES: Record<string, PhaseText> = {
  node: { group: 'start', what: 'Node.js starts' },
  mpi: { group: 'start', what: 'MPI starts, which waits for all ranks' },
  boot: { group: 'find', what: 'options are read' },
  settings: { group: 'find', what: 'ranks find out which of them differs' },
  locate: { group: 'find', what: 'rank 0 finds the archive' },
  compare: { group: 'find', what: 'the archive is compared with the source tree' },
  pack: { group: 'find', what: 'the program is packed' },
  reserve: { group: 'place', what: 'node leaders reserve room' },
  transfer: { group: 'place', what: 'the image goes to the nodes, and is hashed as it arrives' },
  verify: { group: 'place', what: 'the digest is compared' },
  extract: { group: 'extract', what: 'native addons are extracted, the image is published' },
  hold: { group: 'extract', what: 'ranks take hold of the image' },
  attach: { group: 'attach', what: 'ranks map the image' },
  hooks: { group: 'attach', what: 'hooks are installed' },
  program: { group: 'program', what: 'the program runs' },
};

export const GROUPS: Record<PhaseGroup, string> = {
  start: 'Node.js and MPI start',
  find: 'find, compare, pack',
  place: 'reserve and transfer',
  extract: 'extract and hold',
  attach: 'map and install hooks',
  program: 'program',
};

export function groupOf(phase: string): PhaseGroup {
  return PHASES[phase]?.group ?? 'find';
}

export function meaningOf(phase: string): string {
  return PHASES[phase]?.what ?? '';
}
