/** What two archives, or an archive and a source tree, have otherwise. */
import { createHash } from 'node:crypto';
import { lstatSync, readFileSync, readlinkSync, realpathSync, type BigIntStats } from 'node:fs';
import { join } from 'node:path';
import { WallaError } from '../errors.ts';
import type { ReadEntry } from '../format/index-reader.ts';
import { openArchive, readAt, type OpenArchive } from './archive-reader.ts';
import { isCode, unreadable, list } from './source-tree.ts';

export interface Difference {
  /** Relative to the archive's root. */
  path: string;
  /** `touched`: only the modification time differs. */
  change: 'added' | 'removed' | 'changed' | 'touched';
  /** What differs, in words. */
  what: string;
}

export interface Comparison {
  /** Entries of the first archive that were compared. */
  compared: number;
  /** By path. */
  differences: Difference[];
  /** Fields of the manifests that differ; only of two archives. */
  manifest: { field: string; first: string; second: string }[];
}

/** One side of a comparison. */
interface Side {
  entry: ReadEntry;
  digest: () => Promise<string>;
}

/**
 * Compares two archives by path, type, size and content.
 * @throws ERR_WALLA_ARCHIVE_*
 */
export async function compareArchives(first: string, second: string): Promise<Comparison> {
  const a = await openArchive(first);
  try {
    const b = await openArchive(second);
    try {
      const left = sides(a);
      const right = sides(b);
      const differences: Difference[] = [];
      for (const path of [...new Set([...left.keys(), ...right.keys()])].sort()) {
        const found = await compareSides(left.get(path), right.get(path));
        if (found) differences.push({ path, ...found });
      }
      return { compared: left.size, differences, manifest: manifestFields(a, b) };
    } finally {
      await b.handle.close();
    }
  } finally {
    await a.handle.close();
  }
}

function sides({ handle, index }: OpenArchive): Map<string, Side> {
  const found = new Map<string, Side>();
  for (const entry of index.entries())
    found.set(entry.path, {
      entry,
      digest: async () => sha256(await readAt(handle, entry.offset, entry.size)),
    });
  return found;
}

async function compareSides(
  a: Side | undefined,
  b: Side | undefined,
): Promise<Omit<Difference, 'path'> | undefined> {
  if (!b) return a && { change: 'removed', what: describe(a.entry) };
  if (!a) return { change: 'added', what: describe(b.entry) };
  const { entry: x } = a;
  const { entry: y } = b;
  if (x.type !== y.type) return { change: 'changed', what: `${x.type} -> ${y.type}` };
  if (x.type === 'link')
    return x.linkText === y.linkText
      ? undefined
      : { change: 'changed', what: `link -> ${y.linkText}` };
  if (x.type === 'directory') return undefined;
  if (x.size !== y.size) return { change: 'changed', what: `${x.size} -> ${y.size} bytes` };
  if ((await a.digest()) !== (await b.digest()))
    return { change: 'changed', what: 'other content of the same size' };
  if (x.format !== y.format)
    return { change: 'changed', what: `${x.format ?? 'no format'} -> ${y.format ?? 'no format'}` };
  return x.mtimeNs === y.mtimeNs ? undefined : touched;
}

const touched = { change: 'touched', what: 'another modification time, the same content' } as const;

const FIELDS = ['entries', 'platform', 'arch', 'libc', 'node', 'abi', 'conditions'] as const;

function manifestFields(a: OpenArchive, b: OpenArchive): Comparison['manifest'] {
  const fields = FIELDS.map((field) => ({
    field,
    first: String(a.manifest[field]),
    second: String(b.manifest[field]),
  }));
  const table = { field: 'resolutions', first: resolutions(a), second: resolutions(b) };
  return [...fields, table].filter(({ first, second }) => first !== second);
}

/** Equal exactly when two tables of resolutions are. */
function resolutions({ index, manifest }: OpenArchive): string {
  const path = (number: number | undefined) =>
    number === undefined ? '' : index.entry(number).path;
  const lines = [...index.resolutions()].map(
    ({ directory, file, ...rest }) => `${path(directory)}\0${path(file)}\0${JSON.stringify(rest)}`,
  );
  const digest = sha256(Buffer.from(lines.sort().join('\n')));
  return `${manifest.counts.resolutions} (sha256 ${digest.slice(0, 12)})`;
}

/**
 * Compares an archive with a source tree: what was packed, and names that came since in packed directories.
 * @param tree directory that stands for the archive's root; the one it was packed from if left out
 * @throws ERR_WALLA_ARCHIVE_*, ERR_WALLA_UNREADABLE
 */
export async function compareWithTree(archive: string, tree?: string): Promise<Comparison> {
  const opened = await openArchive(archive);
  try {
    const { index, manifest, mtimeNs } = opened;
    const root = rootOf(tree ?? manifest.root);
    const packed = sides(opened);
    const differences: Difference[] = [];
    for (let number = 0; number < index.entryCount; number++) {
      const entry = index.entry(number);
      const { path } = entry;
      const stat = statOf(join(root, path), manifest.preserveSymlinks);
      const side = packed.get(path);
      const found = side && (await compareWithFile(side, join(root, path), stat, mtimeNs));
      if (found) differences.push({ path, ...found });
      if (entry.type === 'directory' && stat?.isDirectory())
        differences.push(...newNames(path, join(root, path), index.listing(number), packed));
    }
    differences.sort((a, b) => (a.path < b.path ? -1 : 1));
    return { compared: index.entryCount, differences, manifest: [] };
  } finally {
    await opened.handle.close();
  }
}

function rootOf(tree: string): string {
  try {
    return realpathSync(tree);
  } catch (error) {
    throw unreadable(tree, error);
  }
}

function statOf(path: string, followLinks: boolean): BigIntStats | undefined {
  try {
    return lstatSync(followLinks ? realpathSync(path) : path, { bigint: true });
  } catch (error) {
    if (isCode(error, 'ENOENT', 'ENOTDIR', 'ELOOP')) return undefined;
    throw unreadable(path, error);
  }
}

async function compareWithFile(
  { entry, digest }: Side,
  path: string,
  stat: BigIntStats | undefined,
  packedNs: bigint,
): Promise<Omit<Difference, 'path'> | undefined> {
  if (!stat) return { change: 'removed', what: describe(entry) };
  const type = stat.isDirectory() ? 'directory' : stat.isSymbolicLink() ? 'link' : 'file';
  if (type !== entry.type) return { change: 'changed', what: `${entry.type} -> ${type}` };
  if (type === 'directory') return undefined;
  if (type === 'link') {
    const text = readlinkSync(path);
    return text === entry.linkText ? undefined : { change: 'changed', what: `link -> ${text}` };
  }
  if (Number(stat.size) !== entry.size)
    return { change: 'changed', what: `${entry.size} -> ${stat.size} bytes` };
  const sameTime = stat.mtimeNs === entry.mtimeNs;
  // A modification time can be restored after an edit.
  if (sameTime && stat.ctimeNs <= packedNs) return undefined;
  if (sha256(readContent(path)) === (await digest())) return sameTime ? undefined : touched;
  return { change: 'changed', what: 'other content of the same size' };
}

function newNames(
  path: string,
  directory: string,
  listing: readonly { name: string }[],
  packed: ReadonlyMap<string, unknown>,
): Difference[] {
  const known = new Set(listing.map(({ name }) => name));
  return (list(directory) ?? [])
    .map(({ name }) => ({ name, path: path === '' ? name : `${path}/${name}` }))
    .filter((child) => !known.has(child.name) && !packed.has(child.path))
    .map((child) => ({ path: child.path, change: 'added', what: 'a name that came since' }));
}

function readContent(path: string): Buffer {
  try {
    return readFileSync(path);
  } catch (error) {
    throw unreadable(path, error);
  }
}

function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

function describe({ type, size }: ReadEntry): string {
  return type === 'file' ? `file of ${size} bytes` : type;
}

/** Refuses two sides of which neither is an archive that can be compared. */
export function notATree(path: string): WallaError {
  return new WallaError('ERR_WALLA_USAGE', `there is neither an archive nor a directory ${path}`, {
    hint: 'walla diff ARCHIVE [ARCHIVE or DIRECTORY]',
  });
}
