/** The pictures of the benchmark, as Vega-Lite specifications: pure, from the raw results. */
import type { TopLevelSpec } from 'vega-lite';
import { type Layout, layoutsOf, type Results, type Row, rowsOf } from './results.ts';
import { medianRow } from './shared-fs-table.ts';
import { requestCount } from './sharedfs/shared-fs.ts';
import { median } from './statistics.ts';

/** Of middle brightness, so that they can be told apart on white and on black. */
const COLOURS: Record<string, string> = {
  nothing: '#5c6670',
  plain: '#d1495b',
  'local disk': '#8c959f',
  bundle: '#e08e45',
  'tar broadcast': '#b5649f',
  'python-mpi-bcast': '#8a3d73',
  squashfs: '#9c7a54',
  'yarn pnp': '#c9a227',
  'node:vfs': '#4f9d8f',
  'walla on the fly': '#7fb3ff',
  'walla code cache': '#3fb950',
  'walla packed': '#2f81f7',
  'walla prestaged': '#6e5fd8',
};
const PHASES = {
  launch: ['1 launch (mpirun)', '#8c959f'],
  place: ['2 place files on nodes', '#b5649f'],
  boot: ['3 boot Node.js', '#e08e45'],
  load: ['4 load modules', '#2f81f7'],
} as const;

/** Ends where the values end, not at the next power. */
export const LOG = { type: 'log', nice: false, padding: 8 } as const;

export const CONFIG = {
  background: 'transparent',
  font: 'system-ui, sans-serif',
  view: { stroke: null },
  axis: { gridOpacity: 0.25, labelFontSize: 12, titleFontSize: 12 },
  legend: { labelFontSize: 12, titleFontSize: 12, symbolOpacity: 1, labelLimit: 220 },
  title: { fontSize: 14, anchor: 'start' },
} as const;

export function timeChart(results: Results): TopLevelSpec {
  const values = cells(results).map(({ rows, ...cell }) => {
    const seconds = rows.map((row) => row.seconds);
    return {
      ...cell,
      seconds: median(seconds),
      min: Math.min(...seconds),
      max: Math.max(...seconds),
    };
  });
  const x = layoutAxis(results);
  const y = { type: 'quantitative', scale: LOG } as const;
  const title = 'seconds to the first line of the last rank';
  return {
    config: CONFIG,
    title: 'Time to the first line',
    width: 520,
    height: 320,
    data: { values },
    encoding: { x, color: colour(results) },
    layer: [
      {
        mark: { type: 'rule', opacity: 0.5, strokeWidth: 2 },
        encoding: { y: { field: 'min', ...y, title }, y2: { field: 'max' } },
      },
      {
        mark: { type: 'line', point: { size: 45 }, strokeWidth: 2 },
        encoding: { y: { field: 'seconds', ...y, title } },
      },
    ],
  };
}

export function requestChart(results: Results): TopLevelSpec {
  const values = cells(results)
    .map(({ rows, ...cell }) => ({ ...cell, requests: median(rows.map(requestsOf)) }))
    // A logarithmic axis has no zero.
    .filter(({ requests }) => requests > 0);
  return {
    config: CONFIG,
    title: 'Requests at the shared file system',
    width: 520,
    height: 320,
    data: { values },
    mark: { type: 'line', point: { size: 45 }, strokeWidth: 2 },
    encoding: {
      x: layoutAxis(results),
      y: {
        field: 'requests',
        type: 'quantitative',
        scale: LOG,
        title: 'requests of all ranks',
      },
      color: colour(results),
    },
  };
}

/** The layout with the most ranks that all contenders have finished. */
export function phaseChart(results: Results): TopLevelSpec {
  const names = measured(results);
  const complete = progression(results).filter((layout) =>
    names.every((name) => rowsOf(results, name, layout).length > 0),
  );
  const layout = complete.at(-1) ?? progression(results).at(-1);
  if (!layout) throw new Error('no results');
  const values = names.flatMap((contender) => {
    const row = medianRow(rowsOf(results, contender, layout));
    return Object.entries<number>({ ...row?.phases }).map(([phase, seconds]) => ({
      contender,
      phase: PHASES[phase as keyof typeof PHASES][0],
      seconds,
    }));
  });
  return {
    config: CONFIG,
    title: `Where the time goes: ${layout.nodes} nodes x ${layout.ranks} ranks`,
    width: 520,
    height: { step: 26 },
    data: { values },
    mark: { type: 'bar', height: { band: 0.75 } },
    encoding: {
      y: { field: 'contender', type: 'nominal', sort: names, title: null },
      x: {
        field: 'seconds',
        type: 'quantitative',
        title: 'seconds, of the rank whose first line came last',
      },
      color: {
        field: 'phase',
        type: 'nominal',
        title: null,
        legend: { orient: 'bottom' },
        scale: {
          domain: Object.values(PHASES).map(([label]) => label),
          range: Object.values(PHASES).map(([, shade]) => shade),
        },
      },
      order: { field: 'phase', type: 'ordinal' },
    },
  };
}

interface Cell {
  contender: string;
  layout: string;
  rows: Row[];
}

function cells(results: Results): Cell[] {
  return measured(results).flatMap((contender) =>
    progression(results).flatMap((layout) => {
      const rows = rowsOf(results, contender, layout);
      return rows.length === 0 ? [] : [{ contender, layout: label(layout), rows }];
    }),
  );
}

function measured(results: Results): string[] {
  return Object.keys(results.contenders).filter((name) =>
    results.rows.some(({ contender }) => contender === name),
  );
}

/** One layout for each number of ranks, by rising number: of several the one with the most nodes. */
export function progression(results: Results): Layout[] {
  const byTotal = new Map<number, Layout>();
  for (const layout of layoutsOf(results)) {
    const total = layout.nodes * layout.ranks;
    const known = byTotal.get(total);
    if (!known || known.nodes < layout.nodes) byTotal.set(total, layout);
  }
  return [...byTotal].sort(([a], [b]) => a - b).map(([, layout]) => layout);
}

function label({ nodes, ranks }: Layout): string {
  return `${nodes * ranks} (${nodes} x ${ranks})`;
}

function layoutAxis(results: Results) {
  return {
    field: 'layout',
    type: 'ordinal',
    sort: progression(results).map(label),
    title: 'ranks (nodes x ranks on each)',
    axis: { labelAngle: 0 },
    scale: { padding: 0.2 },
  } as const;
}

function colour(results: Results) {
  const names = measured(results);
  return {
    field: 'contender',
    type: 'nominal',
    title: null,
    scale: { domain: names, range: names.map((name) => COLOURS[name] ?? '#8c959f') },
  } as const;
}

function requestsOf({ root, others }: Row): number {
  return [root.boot, root.after, others.boot, others.after].reduce(
    (total, counts) => total + requestCount(counts),
    0,
  );
}
