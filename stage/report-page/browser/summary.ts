/** The numbers at the top. */
import type { PageData } from '../page-data.ts';
import { element } from './dom.ts';
import { countOf, formatBytes, formatCount, formatMs, formatName } from './format.ts';

export function heading(data: PageData): HTMLElement {
  const name = data.programs[0] ?? data.archive;
  const more = data.programs.length > 1 ? ` and ${data.programs.length - 1} more` : '';
  const started = new Date(data.startedAtMs).toISOString().replace('T', ' ').slice(0, 19);
  return element(
    'header',
    {},
    element('p', { class: 'kicker' }, 'walla report'),
    element('h1', {}, element('bdi', {}, formatName(name.split('/').at(-1) ?? name)), more),
    element(
      'p',
      { class: 'muted' },
      `${started} UTC · walla ${data.walla} · Node.js ${data.node} · `,
      element('bdi', {}, formatName(name)),
    ),
  );
}

interface Tile {
  label: string;
  value: string;
  note: string;
}

export function summary(data: PageData): HTMLElement {
  return element(
    'dl',
    { class: 'tiles', 'aria-label': 'Summary' },
    ...tiles(data).map(({ label, value, note }) =>
      element(
        'div',
        { class: 'tile' },
        element('dt', {}, label),
        element('dd', { class: 'value' }, value),
        element('dd', { class: 'muted' }, note),
      ),
    ),
  );
}

/** When all ranks were staged. */
export function stagedMs(data: PageData): number {
  return Math.max(0, ...Object.values(data.phases).map(({ endMs }) => endMs));
}

function tiles(data: PageData): Tile[] {
  const { stale, program, received, hits, size, nodes } = data;
  const all: Tile[] = [
    { label: 'Ranks', value: formatCount(size), note: `on ${countOf(nodes, 'node')}` },
    {
      label: 'Staged after',
      value: formatMs(stagedMs(data)),
      note: slowestPhase(data),
    },
    {
      label: 'Archive',
      value: formatBytes(data.bytes),
      note: received
        ? `${countOf(received.ranks, 'node')} received ${formatBytes(received.total)}`
        : 'every node had it already',
    },
    stale
      ? {
          label: 'Stale check',
          value: formatMs(stale.ms),
          note: `${countOf(stale.compared, 'entry', 'entries')} compared with the tree`,
        }
      : {
          label: 'Stale check',
          value: '–',
          note: data.packed ? 'packed by this job' : 'done by another process',
        },
    {
      label: 'Archive hits',
      value: formatCount(hits),
      note: `names on rank 0; ${countOf(data.missCount, 'miss', 'misses')} in the job`,
    },
  ];
  if (program)
    all.push({
      label: 'Program ran',
      value: formatMs(program.ran.median),
      note: `median of ${countOf(program.ran.ranks, 'rank')}; ${exits(program.exitCodes)}`,
    });
  return all;
}

function slowestPhase({ phases }: PageData): string {
  const [name, phase] =
    Object.entries(phases)
      .filter(([, { within }]) => within === undefined)
      .sort(([, a], [, b]) => b.work.max - a.work.max)[0] ?? [];
  return name === undefined || !phase
    ? ''
    : `longest: ${name}, ${formatMs(phase.work.max)} on rank ${phase.work.largest[0]?.rank ?? 0}`;
}

function exits(codes: Record<string, number>): string {
  const bad = Object.entries(codes).filter(([code]) => code !== '0');
  if (bad.length === 0) return 'all ended well';
  return bad.map(([code, count]) => `${countOf(count, 'rank')} with exit code ${code}`).join(', ');
}
