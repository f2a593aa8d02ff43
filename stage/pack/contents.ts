import type { BigIntStats } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { FLAG_COMPLETE, FLAG_ELF, FLAG_FROZEN } from '../format/index-layout.ts';
import {
  compareBytes,
  type IndexEntry,
  type IndexResolution,
  type ListingRecord,
} from '../format/index-writer.ts';
import { WALLA_DIRECTORY } from '../archive-path.ts';
import { WallaError } from '../errors.ts';
import { isSafePath } from './entry-path.ts';
import { readFacts } from './file-facts.ts';
import { isLockFile } from './lock-files.ts';
import type { SourceTree } from './source-tree.ts';
import type { Trace, TracedResolution } from './trace.ts';

/** What goes into an archive, with paths relative to the root, sorted as the format wants it. */
export interface Contents {
  root: string;
  /** Where the content of an entry is to be read. */
  source: (path: string) => string;
  entries: IndexEntry[];
  resolutions: IndexResolution[];
}

/**
 * Lays a trace out under one root: ancestors, listings, links, lock files and the table of resolutions.
 * @param entryLinks links to the entries: packed only where they do not widen the root
 * @param isExcluded whether the user left a path out
 */
export function contentsOf(
  trace: Trace,
  tree: SourceTree,
  entryLinks: string[],
  isExcluded: (path: string) => boolean,
): Contents {
  const links = [...tree.links].filter(([path]) => !entryLinks.includes(path));
  const root = commonDirectory([...trace.files.keys(), ...links.map(([path]) => path)]);
  const inside = (path: string) =>
    path === root || path.startsWith(root === '/' ? '/' : `${root}/`);
  const packedLinks = [...tree.links].filter(([path]) => inside(path));
  const directories = collectDirectories(root, trace, packedLinks, tree, inside);

  const toRelative = (path: string) => relative(root, path);
  const entries: IndexEntry[] = [];
  for (const [path, { stat, facts, scope }] of trace.files) {
    checkName(path, toRelative(path));
    entries.push({
      ...common(toRelative(path), stat),
      flags: facts.flags,
      format: facts.format,
      scope: scope === undefined || !trace.files.has(scope) ? undefined : toRelative(scope),
    });
  }
  for (const [path, { text, stat, target }] of packedLinks) {
    checkName(path, toRelative(path));
    const linkTarget = inside(target) ? toRelative(target) : undefined;
    entries.push({ ...common(toRelative(path), stat), flags: 0, linkText: text, linkTarget });
  }
  for (const path of directories) {
    const stat = tree.stat(path);
    if (!stat?.isDirectory()) continue;
    const listing = tree.names(path, directories.has(`${path}/${WALLA_DIRECTORY}`));
    for (const lock of lockFiles(path, listing)) {
      const lockStat = tree.stat(lock);
      if (!lockStat?.isFile() || trace.files.has(lock) || isExcluded(lock)) continue;
      const { flags } = readFacts(tree.source(lock), lockStat, undefined, false);
      entries.push({ ...common(toRelative(lock), lockStat), flags });
    }
    const frozen = path.includes('/node_modules/') ? FLAG_FROZEN : 0;
    const flags = frozen | (listing === undefined ? 0 : FLAG_COMPLETE);
    entries.push({ ...common(toRelative(path), stat), flags, listing });
  }
  entries.sort((a, b) => compareBytes(a.path, b.path));
  const packed = new Set(entries.map(({ path }) => path));
  const resolutions = trace.resolutions
    .filter(({ directory, file }) => inside(directory) && (file === undefined || inside(file)))
    .map((resolution) => encodeResolution(resolution, root))
    .filter(
      ({ directory, file }) => packed.has(directory) && (file === undefined || packed.has(file)),
    );
  resolutions.sort(
    (a, b) =>
      compareBytes(a.directory, b.directory) ||
      compareBytes(a.specifier, b.specifier) ||
      compareBytes(a.kind, b.kind),
  );
  const source = (path: string) => tree.source(join(root, path));
  return { root, source, entries, resolutions };
}

export function isNative(entry: IndexEntry): boolean {
  return (entry.flags & FLAG_ELF) !== 0;
}

function common(
  path: string,
  stat: BigIntStats,
): Pick<IndexEntry, 'path' | 'mode' | 'size' | 'mtimeNs'> {
  return { path, mode: Number(stat.mode), size: Number(stat.size), mtimeNs: stat.mtimeNs };
}

/** They say what is installed, so their change makes an archive stale. Those of dependencies say nothing. */
function lockFiles(directory: string, listing: ListingRecord[] | undefined): string[] {
  if (directory.includes('/node_modules/')) return [];
  const names = (listing ?? []).map(({ name }) => name).filter(isLockFile);
  return names.map((name) => join(directory, name));
}

/** Every ancestor of a packed file or link, and the node_modules directories beside them. */
function collectDirectories(
  root: string,
  trace: Trace,
  links: SourceTree['links'] extends Map<infer K, infer V> ? [K, V][] : never,
  tree: SourceTree,
  inside: (path: string) => boolean,
): Set<string> {
  const directories = new Set<string>([root]);
  const addAncestors = (path: string) => {
    for (let at = path; inside(at) && !directories.has(at); at = dirname(at)) directories.add(at);
  };
  for (const [path, { facts }] of trace.files) {
    addAncestors(dirname(path));
    for (const { pattern } of facts.patterns) {
      const searched = searchedDirectory(path, pattern, tree);
      if (searched !== undefined) addAncestors(searched);
    }
  }
  for (const [path, { target }] of links) {
    addAncestors(dirname(path));
    addAncestors(tree.stat(target)?.isDirectory() ? target : dirname(target));
  }
  for (const path of [...directories]) {
    if (path.endsWith('/node_modules')) continue;
    const modules = `${path === '/' ? '' : path}/node_modules`;
    if (tree.stat(modules)?.isDirectory()) directories.add(modules);
  }
  return directories;
}

/**
 * Where a computed specifier looks, or the nearest directory above that exists: with its listing packed, a name that is not
 * there is known not to be there (`../build/Release/${name}.node`, tried before the prebuilt addon).
 */
function searchedDirectory(path: string, pattern: string, tree: SourceTree): string | undefined {
  if (!/^\.\.?\//.test(pattern)) return undefined;
  const fixed = pattern.split('*', 1)[0] ?? '';
  let directory = resolve(dirname(path), fixed.slice(0, fixed.lastIndexOf('/') + 1));
  while (directory !== '/' && !tree.stat(directory)?.isDirectory()) directory = dirname(directory);
  return directory;
}

function encodeResolution(found: TracedResolution, root: string): IndexResolution {
  const { directory, specifier, kind, file, suffix, builtin, absent, parent } = found;
  const key = { directory: relative(root, directory), specifier, kind };
  if (file !== undefined) {
    return { ...key, outcome: 'file', file: relative(root, file), text: suffix ?? '' };
  }
  if (builtin !== undefined) return { ...key, outcome: 'builtin', text: builtin };
  return { ...key, outcome: 'absent', text: JSON.stringify(placeholders(absent, parent, root)) };
}

/** Takes the machine's own paths out of an error. */
function placeholders(
  absent: TracedResolution['absent'],
  parent: string,
  root: string,
): Record<string, string> {
  const out: Record<string, string> = {};
  for (const [key, value] of Object.entries(absent ?? {})) {
    if (typeof value !== 'string') continue;
    const text = replacePath(value, parent, '{parent}');
    out[key] = root === '/' ? text : replacePath(text, root, '{root}');
  }
  return out;
}

/** Replaces a path where it stands whole, not as the start of a longer name. */
function replacePath(text: string, path: string, placeholder: string): string {
  return text
    .split(path)
    .reduce((done, rest) => done + (/^[\w$.-]/.test(rest) ? path : placeholder) + rest);
}

function commonDirectory(paths: string[]): string {
  let common = dirname(paths[0] ?? '/').split('/');
  for (const path of paths) {
    const parts = dirname(path).split('/');
    const differs = common.findIndex((part, i) => part !== parts[i]);
    if (differs !== -1) common = common.slice(0, differs);
  }
  return common.join('/') || '/';
}

function checkName(path: string, inArchive: string): void {
  const reason = path.includes('\ufffd')
    ? 'is not UTF-8'
    : inArchive !== '' && !isSafePath(inArchive)
      ? 'is too long or too deep'
      : undefined;
  if (reason === undefined) return;
  throw new WallaError('ERR_WALLA_PACK', `the name ${JSON.stringify(path)} ${reason}`, {
    hint: 'rename the file, or leave it out with --exclude',
  });
}
