/**
 * node --import tsx bench/scale-plot.ts RESULTS.json
 *
 * Draws docs/pictures/scale-<topology>.svg from what `npm run bench:scale` wrote: simulated time to the
 * last byte of 128 MiB against nodes.
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import type { TopLevelSpec } from 'vega-lite';
import { packageRoot } from '../test/run-node.ts';
import { draw } from './draw.ts';
import type { Simulated } from './simulated/case.ts';

const BYTES = 128 * 2 ** 20;
const NAMES: Record<string, string> = {
  'file-system': 'every node reads the file system',
  'bcast:flattree': 'flat',
  chain: 'chain of chunks',
  'bcast:binomial_tree': 'binomial tree',
  'chunks:binomial_tree': 'binomial tree, in chunks',
  'bcast:scatter_rdb_allgather': 'scatter, allgather',
  walla: 'walla',
};

const file = process.argv[2];
if (file === undefined) {
  console.error('usage: node --import tsx bench/scale-plot.ts bench/runs/DATE/scale.json');
  process.exit(2);
}
const { rows } = JSON.parse(readFileSync(file, 'utf8')) as { rows: Simulated[] };
const directory = join(packageRoot, 'docs/pictures');
mkdirSync(directory, { recursive: true });
for (const topology of new Set(rows.map((row) => row.topology))) {
  const path = join(directory, `scale-${topology}.svg`);
  writeFileSync(path, await draw(chartOf(topology)));
  console.log(relative(packageRoot, path));
}

/** Of several chunk sizes the best one counts. */
function chartOf(topology: string): TopLevelSpec {
  const values = Object.entries(NAMES).flatMap(([algorithm, name]) => {
    const best = new Map<number, number>();
    for (const row of rows) {
      if (row.topology !== topology || row.algorithm !== algorithm || row.bytes !== BYTES) continue;
      best.set(row.nodes, Math.min(best.get(row.nodes) ?? Infinity, row.seconds));
    }
    return [...best].map(([nodes, seconds]) => ({ nodes, seconds, algorithm: name }));
  });
  return {
    $schema: 'https://vega.github.io/schema/vega-lite/v6.json',
    background: 'transparent',
    width: 520,
    height: 320,
    data: { values },
    mark: { type: 'line', point: true },
    encoding: {
      x: {
        field: 'nodes',
        type: 'quantitative',
        scale: { type: 'log', base: 4 },
        axis: { values: [64, 512, 4096, 16384, 65536], title: 'nodes' },
      },
      y: {
        field: 'seconds',
        type: 'quantitative',
        scale: { type: 'log' },
        axis: { title: 'simulated seconds to the last byte of 128 MiB' },
      },
      color: {
        field: 'algorithm',
        type: 'nominal',
        sort: Object.values(NAMES),
        title: null,
        scale: { scheme: 'tableau10' },
        legend: { labelLimit: 260 },
      },
    },
  };
}
