/** Which modules cost what: by package, and one by one over time. */
import type { ModuleRow, PageData } from '../page-data.ts';
import { chart, type Range, span } from './axis.ts';
import { bar, element, facts, scrollable, section, table } from './dom.ts';
import { countOf, formatBytes, formatCount, formatMs, formatName } from './format.ts';
import { walkRows } from './rows.ts';

/** Rows that are shown at first, and more with each press of the button. */
const ROWS = 60;

export function moduleSection(data: PageData): HTMLElement {
  if (data.modules.length === 0)
    return section('modules', 'Modules', element('p', {}, 'Rank 0 told of no modules.'));
  return section(
    'modules',
    'Modules on rank 0',
    element(
      'p',
      {},
      'Load is finding and reading; run is compiling and running a module’s own code, without what it requires. ',
      'Hooks cannot see when an ES module runs: those have no run time here.',
    ),
    packageTable(data),
    waterfall(data),
  );
}

function packageTable({ packages }: PageData): HTMLElement {
  const most = Math.max(...packages.map(({ loadMs, selfMs }) => loadMs + selfMs), 0.01);
  const rows = packages.map(({ name, modules, bytes, loadMs, selfMs }) => [
    element('bdi', {}, name === '' ? 'the program itself' : formatName(name)),
    element(
      'div',
      { class: 'track spread', 'aria-hidden': true },
      bar('load', 0, loadMs / most),
      bar('run', loadMs / most, (loadMs + selfMs) / most),
    ),
    formatCount(modules),
    formatBytes(bytes),
    formatMs(loadMs),
    formatMs(selfMs),
  ]);
  const made = table(
    'Packages, the most expensive first',
    [
      { name: 'Package' },
      { name: 'Load and run' },
      { name: 'Modules', numeric: true },
      { name: 'Size', numeric: true },
      { name: 'Load', numeric: true },
      { name: 'Run', numeric: true },
    ],
    rows,
  );
  return element('div', { class: 'tall' }, scrollable('Packages', made));
}

type Order = 'time' | 'cost';

function waterfall(data: PageData): HTMLElement {
  const details = element('div', { class: 'details', 'aria-live': 'polite' });
  const chart = element('div');
  const count = element('p', { class: 'muted', role: 'status' });
  const more = element('button', { type: 'button' }, `Show ${ROWS} more`);
  const filter = element('input', {
    type: 'search',
    id: 'module-filter',
    placeholder: 'part of a path',
  });
  const order = element(
    'select',
    { id: 'module-order' },
    new Option('most expensive', 'cost'),
    new Option('first asked for', 'time'),
  );
  let shown = ROWS;
  const draw = (): void => {
    const wanted = filter.value.toLowerCase();
    const matching = data.modules.filter(({ path }) => path.toLowerCase().includes(wanted));
    const chosen = choose(matching, order.value as Order, shown);
    chart.replaceChildren(waterfallTable(chosen, (row) => show(details, data, row)));
    more.hidden = chosen.length >= matching.length;
    const left =
      data.otherModules > 0
        ? `; ${formatCount(data.otherModules)} cheaper ones are not in this page`
        : '';
    count.textContent = `${formatCount(chosen.length)} of ${countOf(matching.length, 'module')}${left}`;
  };
  const again = (): void => {
    shown = ROWS;
    draw();
  };
  filter.addEventListener('input', again);
  order.addEventListener('change', again);
  more.addEventListener('click', () => {
    shown += ROWS;
    draw();
  });
  draw();
  return element(
    'div',
    { class: 'waterfall' },
    element('h3', {}, 'Import waterfall'),
    element(
      'p',
      { class: 'controls' },
      element('label', { for: 'module-order' }, 'Show the '),
      order,
      element('label', { for: 'module-filter' }, 'Filter '),
      filter,
    ),
    legend(),
    count,
    chart,
    more,
    details,
  );
}

function legend(): HTMLElement {
  const swatch = (name: string): HTMLElement =>
    element('span', { class: `swatch ${name}`, 'aria-hidden': true });
  return element(
    'ul',
    { class: 'legend' },
    element('li', {}, swatch('asked'), 'asked for'),
    element('li', {}, swatch('load'), 'load'),
    element('li', {}, swatch('run'), 'run'),
    element('li', {}, swatch('run pale'), 'run of what it requires'),
  );
}

/** In the order of time, whichever are chosen: it is a waterfall. */
function choose(modules: readonly ModuleRow[], order: Order, count: number): ModuleRow[] {
  if (order === 'time') return modules.slice(0, count);
  const cost = ({ loadMs = 0, selfMs = 0 }: ModuleRow): number => loadMs + selfMs;
  const costly = [...modules].sort((a, b) => cost(b) - cost(a)).slice(0, count);
  return costly.sort((a, b) => a.askedMs - b.askedMs);
}

function endOf({ askedMs, loadMs = 0, evaluatedMs, totalMs = 0 }: ModuleRow): number {
  return evaluatedMs === undefined ? askedMs + loadMs : evaluatedMs + totalMs;
}

function waterfallTable(
  modules: readonly ModuleRow[],
  onSelect: (row: ModuleRow) => void,
): HTMLElement {
  const range: Range = {
    startMs: Math.min(...modules.map(({ askedMs }) => askedMs)),
    endMs: Math.max(...modules.map(endOf)) + 0.01,
  };
  const rows = modules.map((module): [HTMLElement, ModuleRow] => [
    moduleRow(module, range),
    module,
  ]);
  const body = element('tbody', {}, ...rows.map(([row]) => row));
  walkRows(body, rows, { onSelect });
  return chart('Import waterfall', 'Module', range, ['Load', 'Run'], body);
}

function moduleRow(module: ModuleRow, range: Range): HTMLElement {
  const { path, askedMs, loadMs = 0, evaluatedMs, selfMs = 0, totalMs = 0, packed } = module;
  const track = element('div', { class: 'track', 'aria-hidden': true });
  if (evaluatedMs !== undefined)
    track.append(
      span('run pale', range, evaluatedMs, totalMs),
      span('run', range, evaluatedMs, selfMs),
    );
  track.append(span('load', range, askedMs, loadMs), span('asked', range, askedMs, 0));
  return element(
    'tr',
    { role: 'row' },
    element(
      'th',
      { scope: 'row', class: 'name' },
      element('bdi', { title: formatName(path) }, shortened(path)),
      packed ? undefined : element('span', { class: 'badge' }, 'not packed'),
    ),
    element('td', { role: 'gridcell', class: 'wide' }, track),
    element('td', { role: 'gridcell', class: 'number' }, formatMs(module.loadMs)),
    element('td', { role: 'gridcell', class: 'number' }, formatMs(module.selfMs)),
  );
}

/** The package and the file: what is between is in the details. */
function shortened(path: string): string {
  const inside = path.replace(/^.*node_modules\//s, '');
  return formatName(inside);
}

function show(details: HTMLElement, data: PageData, module: ModuleRow): void {
  const asks = data.modules.filter(({ parent }) => parent === module.path).length;
  const rows: [string, string][] = [
    ['Asked for by', module.parent === undefined ? 'nobody here' : formatName(module.parent)],
    ['How', module.kind],
    ['From', module.packed ? 'the archive' : 'the real file system'],
    ['Size', module.bytes === undefined ? '–' : formatBytes(module.bytes)],
    ['Asked for at', formatMs(module.askedMs)],
    ['Load', formatMs(module.loadMs)],
    ['Run itself', formatMs(module.selfMs)],
    ['Run with what it requires', formatMs(module.totalMs)],
    ['First to ask for', `${countOf(asks, 'module')} of this list`],
  ];
  details.replaceChildren(
    element('h4', {}, element('bdi', {}, formatName(module.path))),
    facts(rows),
  );
}
