/** Objects and linked files, kept in .cache/native under a hash of all that goes into them. */
import { createHash } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
} from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { cache, root } from './layout.mjs';
import { closureOf, read } from './sources.mjs';
import { run } from './tools.mjs';

const JOBS = 2;
const KEPT_MS = 14 * 24 * 3600 * 1000;

export function keyOf(...parts) {
  const hash = createHash('sha256');
  for (const part of parts.flat()) hash.update(part).update('\0');
  return hash.digest('hex').slice(0, 40);
}

let made = 0;
let running = 0;
const waiting = [];

/** Runs at most JOBS tasks at a time. */
async function inTurn(task) {
  while (running >= JOBS) await new Promise((go) => waiting.push(go));
  running++;
  try {
    return await task();
  } finally {
    running--;
    waiting.shift()?.();
  }
}

const inProduction = new Map();

/**
 * Makes a cached file unless it is there, by way of a temporary one, so that a build that is killed
 * leaves nothing half-written under a good name.
 */
export function produce(folder, key, make) {
  const path = join(cache, folder, key);
  if (!inProduction.has(path)) inProduction.set(path, produceOnce(path, make));
  return inProduction.get(path);
}

async function produceOnce(path, make) {
  try {
    const now = new Date();
    utimesSync(path, now, now);
    return path;
  } catch {
    // Not there yet.
  }
  mkdirSync(dirname(path), { recursive: true });
  const aside = `${path}.${process.pid}`;
  try {
    await inTurn(() => make(aside));
    renameSync(aside, path);
    made++;
  } finally {
    rmSync(aside, { force: true });
  }
  return path;
}

/** @returns path of the object */
function compile({ tool, source, flags }) {
  const inputs = [...closureOf(source)].sort();
  const key = keyOf(
    tool.stamp,
    flags,
    inputs.flatMap((file) => [relative(root, file), read(file)]),
  );
  return produce('objects', `${key}.o`, (aside) =>
    run(tool, [...flags, '-c', source, '-o', aside]),
  );
}

/** Compiles the units and links them. @returns path of the result in the cache */
export async function link(tool, units, flags) {
  // allSettled: while another compiler runs, this process must not end and leave its files behind.
  const results = await Promise.allSettled(units.map(compile));
  const failed = results.find(({ status }) => status === 'rejected');
  if (failed) throw failed.reason;
  const objects = results.map(({ value }) => value);
  return produce('linked', keyOf(tool.stamp, flags, objects), (aside) =>
    run(tool, [...objects, ...flags, '-o', aside]),
  );
}

/** Removes what no build has asked for in a long time, if this one has made something. */
export function prune() {
  if (made === 0) return;
  for (const folder of ['objects', 'linked', 'probes']) {
    const directory = join(cache, folder);
    if (!existsSync(directory)) continue;
    for (const name of readdirSync(directory)) {
      const path = join(directory, name);
      const status = statSync(path, { throwIfNoEntry: false });
      if (status && Date.now() - status.mtimeMs > KEPT_MS) rmSync(path, { force: true });
    }
  }
}
