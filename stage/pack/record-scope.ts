import { existsSync, realpathSync } from 'node:fs';
import { dirname, join } from 'node:path';

/**
 * The directory a program belongs to: of the directories at and above it, the topmost reached
 * without a gap that holds a package.json or node_modules; its own where none does.
 */
export function packageScopeOf(entry: string): string {
  const own = dirname(realpathSync(entry));
  let scope = own;
  for (let at = own; at !== dirname(at); at = dirname(at)) {
    if (existsSync(join(at, 'package.json')) || existsSync(join(at, 'node_modules'))) scope = at;
  }
  return scope;
}
