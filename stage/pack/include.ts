import { readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { WallaError } from '../errors.ts';
import { Patterns, absoluteGlob, globBase, isPackageName } from './globs.ts';
import { statIfThere } from './if-there.ts';

/**
 * Files that `--include` names.
 * @param patterns globs relative to `directory`, or names of packages
 * @param from where packages are looked for: a directory and those above it
 */
export function includedFiles(patterns: string[], directory: string, from: string): string[] {
  const files = new Set<string>();
  for (const pattern of patterns) {
    const found = findFiles(pattern, directory, from);
    if (found.length === 0) {
      throw new WallaError('ERR_WALLA_USAGE', `--include ${pattern} matches no file`, {
        hint: 'quote globs; they are relative to the current directory',
      });
    }
    for (const file of found) files.add(file);
  }
  return [...files].sort();
}

function findFiles(pattern: string, directory: string, from: string): string[] {
  if (isPackageName(pattern)) {
    for (const start of [from, directory]) {
      const found = packageDirectory(pattern, start);
      if (found !== undefined) return filesBelow(found, (name) => name !== 'node_modules');
    }
  }
  const absolute = absoluteGlob(pattern, directory);
  const base = globBase(absolute) || '/';
  const patterns = new Patterns([absolute], directory);
  if (statIfThere(base)?.isFile()) return [base];
  const walkModules = absolute.includes('node_modules');
  return filesBelow(base, (name) => walkModules || name !== 'node_modules').filter((file) =>
    patterns.match(file),
  );
}

function packageDirectory(name: string, start: string): string | undefined {
  for (let at = start; ; at = dirname(at)) {
    const path = join(at, 'node_modules', name);
    if (statIfThere(path)?.isDirectory()) return path;
    if (at === dirname(at)) return undefined;
  }
}

function filesBelow(directory: string, enter: (name: string) => boolean): string[] {
  if (!statIfThere(directory)?.isDirectory()) return [];
  return readdirSync(directory, { withFileTypes: true }).flatMap((child) => {
    const path = join(directory, child.name);
    if (child.name.includes('\ufffd')) {
      throw new WallaError('ERR_WALLA_PACK', `the name ${JSON.stringify(path)} is not UTF-8`, {
        hint: 'rename the file, or leave it out with --exclude',
      });
    }
    if (child.isDirectory()) {
      const skip = /^\.(?:git|hg|svn|walla)$/.test(child.name) || !enter(child.name);
      return skip ? [] : filesBelow(path, enter);
    }
    return child.isFile() || child.isSymbolicLink() ? [path] : [];
  });
}
