import { lstatSync, readlinkSync, statSync } from 'node:fs';
import { basename, join } from 'node:path';
import { FLAG_COMPLETE, FLAG_FROZEN } from '../format/index-layout.ts';
import type { IndexReader, ReadEntry } from '../format/index-reader.ts';
import { list } from './source-tree.ts';
import { isLockFile } from './lock-files.ts';
import { ifThere } from './if-there.ts';

/** Names that can change how something else resolves, in a directory that holds more than code. */
const RESOLVING_NAME = /^(?:node_modules|package\.json)$|.\.(?:[cm]?[jt]s|node|wasm)$/;
const ENDING = /(?<=.)\.(?:[cm]?[jt]s|json|node|wasm)$/;
const PLAIN_FILE = 8;

/**
 * Whether the source tree still is what an archive was made from. Files and links are compared by
 * type, size and modification time, and files by change time, directories by modification time and, where that differs, by
 * the names in them that can matter.
 * @param packedNs when the archive was written: nothing may have been done to a file since, not even to its times
 * @param preserveSymlinks links were packed as what they lead to
 */
export function isFresh(
  index: IndexReader,
  packedNs: bigint,
  root: string,
  preserveSymlinks: boolean,
): boolean {
  const look = preserveSymlinks ? statSync : lstatSync;
  const missed = namesMissed(index);
  for (let number = 0; number < index.entryCount; number++) {
    const entry = index.entry(number);
    const path = join(root, entry.path);
    const stat = ifThere(() => look(path, { bigint: true, throwIfNoEntry: false }));
    if (stat === undefined || Number(stat.mode) !== entry.mode) return false;
    const sameTime = stat.mtimeNs === entry.mtimeNs;
    if (entry.type === 'directory') {
      if (!sameTime && !sameNames(index, number, entry, path, missed)) return false;
    } else if (!sameTime || Number(stat.size) !== entry.size) return false;
    else if (entry.type === 'file' && stat.ctimeNs > packedNs) return false;
    else if (entry.type === 'link' && readlinkSync(path) !== entry.linkText) return false;
  }
  return true;
}

/** Last names of the specifiers that resolved to nothing: what has such a name can make one resolve. */
function namesMissed(index: IndexReader): Set<string> {
  const names = new Set<string>();
  for (const { specifier, outcome } of index.resolutions())
    if (outcome === 'absent') names.add(stem(specifier.slice(specifier.lastIndexOf('/') + 1)));
  return names;
}

const CACHE = '.cache';

/** The rules of native/src/freshness.cpp, for the packer. */
function sameNames(
  index: IndexReader,
  number: number,
  entry: ReadEntry,
  path: string,
  missed: ReadonlySet<string>,
): boolean {
  if ((entry.flags & FLAG_COMPLETE) === 0) return false;
  const frozen = (entry.flags & FLAG_FROZEN) !== 0;
  const holdsPackages = /(^|\/)node_modules$/.test(entry.path);
  const matters = ({ name, type }: { name: string; type: number }): boolean => {
    if (frozen) return true;
    if (holdsPackages && type !== PLAIN_FILE) return !name.startsWith('.');
    return RESOLVING_NAME.test(name) || isLockFile(name) || missed.has(stem(name));
  };
  const key = (child: { name: string; type: number }) => `${child.name}/${child.type}`;
  const packed = index.listing(number).filter(matters).map(key);
  const known = new Set(packed);
  const isNewCache = (child: { name: string; type: number }): boolean =>
    !known.has(key(child)) && isCache(join(path, child.name));
  const now = list(path)?.filter((child) => matters(child) && !isNewCache(child));
  return now?.map(key).join('\0') === packed.join('\0');
}

/** What a run of the program may leave in a package: `.cache`, also in a node_modules of its own. */
function isCache(path: string): boolean {
  if (!ifThere(() => lstatSync(path, { throwIfNoEntry: false }))?.isDirectory()) return false;
  const isModules = basename(path) === 'node_modules';
  return isModules
    ? (list(path)?.every(({ name }) => name === CACHE) ?? false)
    : basename(path) === CACHE;
}

function stem(name: string): string {
  return name.replace(ENDING, '');
}
