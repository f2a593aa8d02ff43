/**
 * npm run bench:plot [-- RESULTS.json] draws docs/pictures/*.svg from what `npm run bench` wrote; by default from the
 * latest bench/runs/<date>/shared-fs.json.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import type { TopLevelSpec } from 'vega-lite';
import { packageRoot } from '../test/run-node.ts';
import { phaseChart, requestChart, timeChart } from './charts.ts';
import { draw } from './draw.ts';
import type { Results } from './results.ts';

const results = JSON.parse(readFileSync(process.argv[2] ?? latest(), 'utf8')) as Results;
const directory = join(packageRoot, 'docs/pictures');
mkdirSync(directory, { recursive: true });
const charts: Record<string, TopLevelSpec> = {
  'time-against-ranks': timeChart(results),
  'requests-against-ranks': requestChart(results),
  'time-by-phase': phaseChart(results),
};
for (const [name, chart] of Object.entries(charts)) {
  const file = join(directory, `${name}.svg`);
  writeFileSync(file, await draw(chart));
  console.log(relative(packageRoot, file));
}

function latest(): string {
  const runs = join(packageRoot, 'bench/runs');
  const files = readdirSync(runs)
    .sort()
    .map((date) => join(runs, date, 'shared-fs.json'))
    .filter((file) => existsSync(file));
  const file = files.at(-1);
  if (file === undefined) throw new Error('there are no results yet; type: npm run bench');
  return file;
}
