/**
 * node --import tsx bench/scale-plot.ts RESULTS.json
 *
 * Draws docs/pictures/scale-<topology>.svg from what `npm run bench:scale` wrote: simulated time to the
 * last byte of 128 MiB against nodes, and what the model of docs/scaling.md says of walla.
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import type { TopLevelSpec } from 'vega-lite';
import { packageRoot } from '../test/run-node.ts';
import { CONFIG, LOG } from './charts.ts';
import { draw } from './draw.ts';
import type { Simulated } from './simulated/case.ts';

const BYTES = 128 * 2 ** 20;
const NODES = [64, 512, 4096, 16384, 65536];
const MODEL = 'walla, model';
/** Names and colours, of middle brightness, so that they can be told apart on white and on black. */
const SERIES: Record<string, [string, string]> = {
  'bcast:flattree': ['flat', '#d1495b'],
  'file-system': ['each node reads the files', '#8c959f'],
  chain: ['chain of chunks', '#e08e45'],
  'chunks:binomial_tree': ['binomial tree, in chunks', '#9c7a54'],
  'bcast:binomial_tree': ['binomial tree', '#4f9d8f'],
  'bcast:scatter_rdb_allgather': ['scatter, allgather', '#c9a227'],
  walla: ['walla', '#2f81f7'],
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
  const values = Object.entries(SERIES).flatMap(([algorithm, [name]]) => {
    const best = new Map<number, number>();
    for (const row of rows) {
      if (row.topology !== topology || row.algorithm !== algorithm || row.bytes !== BYTES) continue;
      best.set(row.nodes, Math.min(best.get(row.nodes) ?? Infinity, row.seconds));
    }
    return [...best].map(([nodes, seconds]) => ({ nodes, seconds, algorithm: name }));
  });
  const series = [...Object.values(SERIES), [MODEL, '#7fb3ff']] as const;
  const x = {
    field: 'nodes',
    type: 'quantitative',
    scale: { ...LOG, base: 2 },
    axis: { values: NODES, title: 'nodes' },
  } as const;
  const y = {
    field: 'seconds',
    type: 'quantitative',
    scale: LOG,
    axis: { title: 'seconds to the last byte on the last node' },
  } as const;
  const color = {
    field: 'algorithm',
    type: 'nominal',
    title: null,
    scale: { domain: series.map(([name]) => name), range: series.map(([, shade]) => shade) },
    legend: { labelLimit: 0 },
  } as const;
  return {
    $schema: 'https://vega.github.io/schema/vega-lite/v6.json',
    config: CONFIG,
    title: `128 MiB to all nodes of a ${topology === 'dragonfly' ? 'dragonfly' : 'fat tree'}, simulated`,
    width: 520,
    height: 320,
    encoding: { x, y, color },
    layer: [
      { data: { values }, mark: { type: 'line', point: { size: 45 }, strokeWidth: 2 } },
      { data: { values: NODES.map(modelled) }, mark: { type: 'line', strokeDash: [4, 4] } },
    ],
  };
}

/** As docs/scaling.md has it: 12.5 GB/s, a message costs what 64 KiB do, and chunks are as chunkBytesFor chooses them. */
function modelled(nodes: number): { nodes: number; seconds: number; algorithm: string } {
  const cost = 64 * 1024;
  const depth = Math.floor(Math.log2(nodes - 1)) + 1;
  const chunk = 2 ** Math.round(Math.log2(Math.sqrt((BYTES * cost) / (2 * depth))));
  const bytes = BYTES + (BYTES / chunk) * cost + 2 * depth * chunk;
  return { nodes, seconds: bytes / 12.5e9, algorithm: MODEL };
}
