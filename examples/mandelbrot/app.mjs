import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { world } from 'walla/mpi';
import { decodeImage, encodeRows } from './tiles.mjs';
import { computeRows } from './mandelbrot.mjs';
import { paint } from './paint.mjs';

const ROOT = 0;
const width = 1200;
const height = 800;

// Everything is imported by now: how long that took is what walla is about.
const sinceStart = () => `${Math.round(performance.now())} ms after its start`;
console.log(`first line: rank ${world.rank} of ${world.size}, ${sinceStart()}`);

// Rows are dealt out in turn, as they differ much in cost.
const rows = [];
for (let row = world.rank; row < height; row += world.size) rows.push(row);
const mine = encodeRows(rows, computeRows(rows, width, height), width);

const all = world.gather(mine, ROOT);
if (all !== undefined) {
  const file = path.resolve(process.env.OUT ?? 'mandelbrot.png');
  await writeFile(file, await paint(decodeImage(all, width, height), width, height));
  console.log(`last line: ${width} x ${height} pixels from ${world.size} ranks in ${file}`);
}
