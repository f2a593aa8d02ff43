/** Phases over all ranks, and on each node over time. */
import type { PageData } from '../page-data.ts';
import type { Distribution } from '../../report/distribution.ts';
import type { TimelineRow } from '../../report/report.ts';
import { chart, type Range, span } from './axis.ts';
import { bar, element, facts, percent, scrollable, section, table } from './dom.ts';
import { countOf, formatCount, formatMs, formatName } from './format.ts';
import { groupOf, GROUPS, meaningOf, type PhaseGroup } from './phases.ts';
import { walkRows } from './rows.ts';
import { stagedMs } from './summary.ts';

export function phaseSection(data: PageData): HTMLElement {
  const phases = Object.entries(data.phases);
  const longest = Math.max(...phases.map(([, { work }]) => work.max), 0.01);
  const rows = phases.map(([name, { within, startMs, work, wait }]) => {
    const [slowest] = work.largest;
    const where = slowest ? `rank ${slowest.rank}, ${formatName(slowest.host)}` : '';
    return [
      element(
        'span',
        within === undefined ? {} : { class: 'part' },
        swatch(groupOf(name)),
        name,
        element('span', { class: 'muted' }, ` ${meaningOf(name)}`),
      ),
      formatMs(startMs),
      spreadBar(work, longest, groupOf(name)),
      formatMs(work.min),
      formatMs(work.median),
      formatMs(work.max),
      element('bdi', { class: 'whole' }, where),
      formatMs(wait.median),
    ];
  });
  return section(
    'phases',
    'Where the time went',
    element(
      'p',
      {},
      'What each rank took itself, over all ranks: the dark part of a bar is the fastest rank, the mark the median, the ',
      'end of the pale part the slowest. Waiting is for other ranks, at the end of the phase.',
    ),
    scrollable(
      'Phases',
      table(
        'Phases of staging, over all ranks',
        [
          { name: 'Phase' },
          { name: 'Began', numeric: true },
          { name: 'Fastest to slowest' },
          { name: 'Min', numeric: true },
          { name: 'Median', numeric: true },
          { name: 'Max', numeric: true },
          { name: 'Slowest' },
          { name: 'Wait, median', numeric: true },
        ],
        rows,
      ),
    ),
  );
}

function spreadBar(work: Distribution, longest: number, group: PhaseGroup): HTMLElement {
  const track = element('div', { class: 'track spread', 'aria-hidden': true });
  const mark = element('span', { class: 'median' });
  mark.style.left = percent(work.median / longest);
  track.append(
    bar(`${group} pale`, 0, work.max / longest),
    bar(group, 0, work.min / longest),
    ...(work.ranks > 1 ? [mark] : []),
  );
  return track;
}

function swatch(group: PhaseGroup): HTMLElement {
  return element('span', { class: `swatch ${group}`, 'aria-hidden': true });
}

export function timelineSection(data: PageData): HTMLElement {
  const details = element('div', { class: 'details', 'aria-live': 'polite' });
  const chart = element('div');
  const draw = (withProgram: boolean): void => {
    chart.replaceChildren(timelineTable(data, withProgram, (row) => show(details, row)));
  };
  draw(false);
  const box = element('input', { type: 'checkbox', id: 'with-program' });
  box.addEventListener('change', () => {
    draw(box.checked);
  });
  const toggle = data.program
    ? element(
        'p',
        {},
        box,
        element('label', { for: 'with-program' }, ' Show the program’s run too'),
      )
    : undefined;
  return section(
    'timeline',
    'Time line by node',
    element('p', {}, shownNodes(data), ' Choose a row for its numbers: arrow keys move.'),
    legend(),
    toggle,
    chart,
    details,
  );
}

function shownNodes({ timeline, nodes }: PageData): string {
  if (timeline.length === nodes)
    return 'Each row is rank 0, or the rank of a node that took longest to stage.';
  const slow = timeline.filter(({ why }) => why === 'slowest').length;
  return (
    `${timeline.length} of ${formatCount(nodes)} nodes: rank 0’s, the ${slow} slowest, and others from the fastest to ` +
    'the slowest. Each row is rank 0, or the rank of its node that took longest to stage.'
  );
}

function legend(): HTMLElement {
  const groups = Object.entries(GROUPS) as [PhaseGroup, string][];
  return element(
    'ul',
    { class: 'legend' },
    ...groups.map(([group, text]) => element('li', {}, swatch(group), text)),
    element('li', {}, element('span', { class: 'swatch wait', 'aria-hidden': true }), 'waiting'),
  );
}

function timelineTable(
  data: PageData,
  withProgram: boolean,
  onSelect: (row: TimelineRow) => void,
): HTMLElement {
  const endMs = Math.max(withProgram ? (data.program?.endMs ?? 0) : 0, stagedMs(data), 0.01);
  const startMs = Math.min(0, ...Object.values(data.phases).map((phase) => phase.startMs));
  const range = { startMs, endMs };
  const rows = data.timeline.map((row): [HTMLElement, TimelineRow] => [
    timelineRow(row, range),
    row,
  ]);
  const body = element('tbody', {}, ...rows.map(([row]) => row));
  walkRows(body, rows, { onSelect });
  return chart('Time line by node', 'Node', range, ['Own work'], body);
}

function timelineRow(row: TimelineRow, range: Range): HTMLElement {
  const spans = row.spans.filter(({ within }) => within === undefined);
  const parts = row.spans.filter(({ within }) => within !== undefined);
  const own = spans
    .filter(({ phase }) => phase !== 'program' && phase !== 'mpi')
    .reduce((sum, { workMs }) => sum + workMs, 0);
  const track = element(
    'div',
    { class: 'track', 'aria-hidden': true },
    ...spans.flatMap(({ phase, startMs, workMs, waitMs }) => [
      span(groupOf(phase), range, startMs, workMs),
      span('wait', range, startMs + workMs, waitMs),
    ]),
    ...parts.map(({ phase, startMs, workMs }) =>
      span(`${groupOf(phase)} inner`, range, startMs, workMs),
    ),
  );
  return element(
    'tr',
    { role: 'row' },
    element(
      'th',
      { scope: 'row', class: 'name' },
      element('bdi', { title: formatName(row.host) }, formatName(row.host)),
      element('span', { class: 'muted' }, ` rank ${row.rank}${why(row)}`),
    ),
    element('td', { role: 'gridcell', class: 'wide' }, track),
    element('td', { role: 'gridcell', class: 'number' }, formatMs(own)),
  );
}

function why({ why }: TimelineRow): string {
  return why === 'slowest' ? ', slow' : '';
}

function show(details: HTMLElement, row: TimelineRow): void {
  const { ranks, rank, quantile } = row;
  const slower = quantile < 1 ? `, slower than ${Math.round(quantile * 100)} % of the nodes` : '';
  const spans = [...row.spans].sort(
    (a, b) => a.startMs - b.startMs || (a.within === undefined ? -1 : 1),
  );
  details.replaceChildren(
    element(
      'h4',
      {},
      element('bdi', {}, formatName(row.host)),
      element(
        'span',
        { class: 'muted' },
        ` ${countOf(ranks, 'rank')}${slower}; times of rank ${rank}`,
      ),
    ),
    facts(
      spans.map(({ phase, within, startMs, workMs, waitMs }) => [
        `${within === undefined ? phase : `${within}: ${phase}`} at ${formatMs(startMs)}`,
        formatMs(workMs) + (waitMs > 0 ? `, waited ${formatMs(waitMs)}` : ''),
      ]),
    ),
  );
}
