/** Type declarations in dist/types: those that the package's entries lead to, and no others. */
import { existsSync, readdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import path from 'node:path';
import { must, root } from './shared.mjs';

const types = path.join(root, 'dist', 'types');

export function buildTypes() {
  rmSync(types, { recursive: true, force: true });
  must(process.execPath, ['node_modules/typescript/bin/tsc', '-p', 'tsconfig.build.json']);
  // The preload is CommonJS, unlike the rest of the package, and its declarations have to say so.
  renameSync(path.join(types, 'stage/preload.d.ts'), path.join(types, 'stage/preload.d.cts'));
  const { exports } = JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8'));
  const kept = new Set();
  for (const entry of Object.values(exports))
    if (entry.types) keep(path.join(root, entry.types), kept);
  for (const name of readdirSync(types, { recursive: true })) {
    const file = path.join(types, name);
    if (/\.d\.c?ts$/.test(name) && !kept.has(file)) rmSync(file);
  }
}

/** A declaration and those it imports. */
function keep(file, kept) {
  if (kept.has(file)) return;
  kept.add(file);
  for (const [, name] of readFileSync(file, 'utf8').matchAll(/['"](\.{1,2}\/[^'"]+)['"]/g)) {
    const imported = path.resolve(path.dirname(file), name).replace(/\.(?:js|ts)$/, '.d.ts');
    if (existsSync(imported)) keep(imported, kept);
  }
}
