import { existsSync, realpathSync } from 'node:fs';
import { dirname, join } from 'node:path';

/**
 * The directory a program belongs to: of the directories at and above it, the topmost that holds a
 * package.json or node_modules; its own where none does.
 */
export function packageScopeOf(entry: string): string {
  return projectOf(dirname(realpathSync(entry)));
}

/**
 * The same from a directory. For what is installed, the node_modules directory that it is in does not make what
 * holds it a project: that of a package installed for all users is `/usr/lib`.
 */
export function projectOf(directory: string): string {
  const start = modulesDirectoryOf(directory) ?? directory;
  let project = start;
  for (let at = start; at !== dirname(at); at = dirname(at)) {
    const modules = join(at, 'node_modules');
    if (existsSync(join(at, 'package.json')) || (modules !== start && existsSync(modules)))
      project = at;
  }
  return project;
}

/** The outermost node_modules directory at or above a path. */
export function modulesDirectoryOf(path: string): string | undefined {
  return /^.*?\/node_modules(?=\/|$)/.exec(path)?.[0];
}
