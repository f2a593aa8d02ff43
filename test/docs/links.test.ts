import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { packageRoot } from '../run-node.ts';
import { brokenLink, linksOf, PAGES } from './pages.ts';

test('links between pages lead to files and headings', () => {
  const links = PAGES.flatMap(linksOf);
  assert.ok(links.length > 100, `only ${links.length} links were found`);
  const broken = links.flatMap((link) => {
    const problem = brokenLink(link);
    return problem === undefined ? [] : [`${link.page}:${link.line}: ${link.target} ${problem}`];
  });
  assert.deepEqual(broken, []);
});

test('every page of docs is in docs/README.md', () => {
  const listed = new Set(linksOf('docs/README.md').map(({ target }) => target));
  const pages = readdirSync(join(packageRoot, 'docs')).filter(
    (name) => name.endsWith('.md') && name !== 'README.md',
  );
  assert.deepEqual(
    pages.filter((name) => !listed.has(name)),
    [],
  );
});

test('every variable that the code reads is in docs/environment.md', () => {
  const page = readFileSync(join(packageRoot, 'docs/environment.md'), 'utf8');
  const folders = ['loader', 'stage', 'native', '.ci', 'bench', 'test', 'examples'];
  const files = folders.flatMap((folder) => sourcesIn(join(packageRoot, folder)));
  const read = new Set<string>();
  for (const file of files)
    for (const [, name] of readFileSync(file, 'utf8').matchAll(
      /(?:\benv(?:\.|\[['"])|getenv\(")(WALLA(?:_[A-Z]+)*)\b/g,
    ))
      if (name !== undefined) read.add(name);
  assert.ok(read.has('WALLA_MPI') && read.has('WALLA_SETUP_APT'));
  assert.deepEqual(
    [...read].filter((name) => !page.includes(`\`${name}\``)),
    [],
  );
});

function sourcesIn(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) return entry.name === 'node_modules' ? [] : sourcesIn(path);
    return /\.(ts|mjs|cjs|cpp|h)$/.test(entry.name) ? [path] : [];
  });
}
