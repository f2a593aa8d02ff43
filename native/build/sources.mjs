/** Which C++ files belong together, read off their #include lines. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';

const contents = new Map();

export function read(path) {
  if (!contents.has(path)) contents.set(path, readFileSync(path, 'utf8'));
  return contents.get(path);
}

/** The file and what it includes with quotes, directly or not. */
export function closureOf(path, seen = new Set()) {
  if (seen.has(path)) return seen;
  seen.add(path);
  for (const [, name] of read(path).matchAll(/^\s*#\s*include\s+"([^"]+)"/gm)) {
    const file = resolve(dirname(path), name);
    if (existsSync(file)) closureOf(file, seen);
  }
  return seen;
}

/**
 * The given sources and those they need: to each header included belongs the .cpp of the same name.
 * So every artefact has what it needs of native/src, and no list has to be kept.
 */
export function withNeeded(starts) {
  const sources = new Set();
  const queue = [...starts];
  for (let source = queue.pop(); source !== undefined; source = queue.pop()) {
    if (sources.has(source)) continue;
    sources.add(source);
    for (const file of closureOf(source)) {
      const own = file.replace(/\.h$/, '.cpp');
      if (own !== file && existsSync(own)) queue.push(own);
    }
  }
  return [...sources].sort();
}

export function sourcesIn(directory, matching = /\.cpp$/) {
  if (!existsSync(directory)) return [];
  return readdirSync(directory)
    .filter((name) => name.endsWith('.cpp') && matching.test(name))
    .map((name) => join(directory, name));
}
