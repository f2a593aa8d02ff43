/** Directories. Root reads them; all ranks have all entries. */

import type * as fs from 'node:fs';
import { join } from 'node:path';

import { dirent, DT_UNKNOWN, uvType } from '../../loader/shadow/directory-entry.ts';
import { openDirectory } from '../../loader/shadow/listings.ts';
import { encodingOf } from '../../loader/shadow/reads.ts';
import type { CollfsAddon, RawPath } from './addon.ts';
import { perform } from './counters.ts';
import { translated } from './errors.ts';
import { type EncodingOptions, inEncoding, lstatManySync } from './names.ts';
import { rawPath, shown } from './paths.ts';
import { real } from './real-fs.ts';
import { onRoot } from './share.ts';

export interface ReaddirOptions {
  encoding?: BufferEncoding | 'buffer' | null;
  withFileTypes?: boolean;
  recursive?: boolean;
}

interface Entry {
  name: Buffer;
  /** As in <dirent.h>. */
  type: number;
}

const TYPE_BITS = 12;

/** @param withTypes whether a type that the file system does not tell is asked for */
function entriesOf(
  addon: CollfsAddon,
  syscall: string,
  path: RawPath,
  withTypes: boolean,
): Entry[] {
  const { names, types } = translated(syscall, shown(path), () => addon.readdir(path));
  const entries: Entry[] = [];
  for (let start = 0; start < names.length;) {
    const end = names.indexOf(0, start);
    entries.push({ name: names.subarray(start, end), type: types[entries.length] ?? 0 });
    start = end + 1;
  }
  if (withTypes) completeTypes(path, entries);
  return entries;
}

/** Some file systems list names without types. */
function completeTypes(path: RawPath, entries: Entry[]): void {
  const untyped = entries.filter(({ type }) => type === DT_UNKNOWN);
  if (untyped.length === 0) return;
  const base = Buffer.from(
    typeof path === 'string' ? `${path}/` : Buffer.concat([path, Buffer.from('/')]),
  );
  const found = lstatManySync(untyped.map(({ name }) => Buffer.concat([base, name])));
  untyped.forEach((entry, i) => {
    const stats = found[i];
    if (stats && 'mode' in stats) entry.type = stats.mode >> TYPE_BITS;
  });
}

/**
 * As `fs.readdirSync`: names in a directory, in the order of their bytes; collective.
 * @throws root's error, the same on all ranks; CollfsError
 */
export function readdirSync(
  path: fs.PathLike,
  options?:
    | BufferEncoding
    | { encoding?: BufferEncoding | null; withFileTypes?: false; recursive?: boolean }
    | null,
): string[];
export function readdirSync(
  path: fs.PathLike,
  options: 'buffer' | { encoding: 'buffer'; withFileTypes?: false; recursive?: boolean },
): Buffer[];
export function readdirSync(
  path: fs.PathLike,
  options: ReaddirOptions & { withFileTypes: true },
): fs.Dirent[];
export function readdirSync(
  path: fs.PathLike,
  options?: EncodingOptions | ReaddirOptions,
): (string | Buffer | fs.Dirent)[];
export function readdirSync(
  path: fs.PathLike,
  options?: EncodingOptions | ReaddirOptions,
): (string | Buffer | fs.Dirent)[] {
  const { withFileTypes = false, recursive = false }: ReaddirOptions =
    typeof options === 'object' ? (options ?? {}) : {};
  const byFs = (): (string | Buffer | fs.Dirent)[] =>
    real.readdirSync(path, options as unknown as 'buffer');
  if (recursive) return withFileTypes ? typedBelow(path, options) : namesBelow(path, byFs);
  return perform(
    'opendir',
    (addon) => {
      const raw = rawPath(path);
      const parent = path instanceof URL ? shown(raw) : path;
      return entriesOf(addon, 'scandir', raw, withFileTypes).map(({ name, type }) => {
        const text = inEncoding(name, options);
        return withFileTypes ? dirent(text, type, parent) : text;
      });
    },
    byFs,
  );
}

/** Root walks, as its Node.js does. */
function namesBelow(path: fs.PathLike, byFs: () => unknown): (string | Buffer)[] {
  const names = onRoot(`readdir ${shown(rawPath(path))}`, byFs) as (string | Uint8Array)[];
  return names.map((name) => (typeof name === 'string' ? name : Buffer.from(name)));
}

type Typed = [name: string | Uint8Array, parent: string | Uint8Array, type: number];

function typedBelow(path: fs.PathLike, options: unknown): fs.Dirent[] {
  const found = onRoot(`readdir ${shown(rawPath(path))}`, () =>
    real
      .readdirSync(path, options as { withFileTypes: true })
      .map((entry): Typed => [entry.name, entry.parentPath, typeOf(entry)]),
  );
  const revived = (text: string | Uint8Array): string | Buffer =>
    typeof text === 'string' ? text : Buffer.from(text);
  return found.map(([name, parent, type]) => dirent(revived(name), type, revived(parent)));
}

/** Types in <dirent.h>. */
const KINDS = [
  [1, 'isFIFO'],
  [2, 'isCharacterDevice'],
  [4, 'isDirectory'],
  [6, 'isBlockDevice'],
  [8, 'isFile'],
  [10, 'isSymbolicLink'],
  [12, 'isSocket'],
] as const;

function typeOf(entry: fs.Dirent): number {
  return KINDS.find(([, is]) => entry[is]())?.[0] ?? DT_UNKNOWN;
}

/**
 * As `fs.opendirSync`, with all entries read already; collective. Reading and closing it is local.
 * @throws root's error, the same on all ranks; CollfsError
 */
export function opendirSync(path: fs.PathLike, options: fs.OpenDirOptions = {}): fs.Dir {
  const { encoding, bufferSize, recursive = false } = options;
  return perform(
    'opendir',
    (addon) => {
      const raw = rawPath(path);
      const given = shown(raw);
      const entries = recursive
        ? readdirSync(path, { recursive, withFileTypes: true }).map((entry): [string, number] => [
            join(entry.parentPath, entry.name).slice(join(given, '/').length),
            typeOf(entry),
          ])
        : entriesOf(addon, 'opendir', raw, true).map(({ name, type }): [string, number] => [
            name.toString(),
            type,
          ]);
      const known = entries.map(([name, type]): [string, number] => [name, uvType(type) ?? 0]);
      const settings = { encoding: encodingOf({ encoding }), bufferSize };
      return openDirectory(given, known, settings, recursive);
    },
    () => real.opendirSync(path, options),
  );
}
