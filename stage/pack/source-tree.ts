import { isUtf8 } from 'node:buffer';
import {
  lstatSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  statSync,
  type BigIntStats,
  type Dirent,
} from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { WallaError } from '../errors.ts';
import { compareBytes, type ListingRecord } from '../format/index-writer.ts';
import { WALLA_DIRECTORY } from '../archive-path.ts';
import type { PackageType } from './module-format.ts';
import { ifThere } from './if-there.ts';

export interface LinkRecord {
  text: string;
  stat: BigIntStats;
  /** Absolute path the link leads to in the end. */
  target: string;
}

/** The source tree as one pack sees it: every path is looked at once, links are remembered. */
export class SourceTree {
  /** Symbolic links met on the way to files, by their own real path. */
  readonly links = new Map<string, LinkRecord>();
  readonly #stats = new Map<string, BigIntStats | undefined>();
  readonly #types = new Map<string, { path: string; type: PackageType } | undefined>();
  readonly #preserveSymlinks: boolean;

  constructor(preserveSymlinks: boolean) {
    this.#preserveSymlinks = preserveSymlinks;
  }

  /** `lstat`, or `stat` when links are to be seen as what they lead to; undefined if absent. */
  stat(path: string): BigIntStats | undefined {
    if (this.#stats.has(path)) return this.#stats.get(path);
    let found: BigIntStats | undefined;
    try {
      found = this.look(path);
    } catch (error) {
      if (!isCode(error, 'ENOTDIR', 'ELOOP', 'ENOENT')) throw unreadable(path, error);
    }
    this.#stats.set(path, found);
    return found;
  }

  /**
   * Follows every link of a path, remembering each.
   * @returns the real path, or undefined if nothing is there
   */
  follow(path: string, depth = 0): string | undefined {
    if (path === '/') return path;
    if (depth > 40) return undefined;
    const parent = this.follow(dirname(path), depth);
    if (parent === undefined) return undefined;
    const own = parent === dirname(path) ? path : join(parent, path.slice(dirname(path).length));
    const stat = this.stat(own);
    if (!stat?.isSymbolicLink()) return stat === undefined ? undefined : own;
    const known = this.links.get(own);
    if (known !== undefined) return known.target;
    const text = this.linkText(own);
    const target = this.follow(this.linkTarget(own, text), depth + 1);
    if (target !== undefined) this.links.set(own, { text, stat, target });
    return target;
  }

  /** Where the content of a file is to be read. */
  source(path: string): string {
    return path;
  }

  /**
   * Children of a directory; undefined when a name is not UTF-8, which the format cannot hold.
   * @param withOwn whether walla's own directory counts
   */
  names(path: string, withOwn: boolean): ListingRecord[] | undefined {
    return list(path, withOwn);
  }

  protected look(path: string): BigIntStats | undefined {
    const look = this.#preserveSymlinks ? statSync : lstatSync;
    return ifThere(() => look(path, { bigint: true, throwIfNoEntry: false }));
  }

  protected linkText(path: string): string {
    return readlinkSync(path);
  }

  protected linkTarget(path: string, text: string): string {
    return resolve(dirname(path), text);
  }

  /** The package.json that governs a file, and its "type". Looks where Node.js looks. */
  scope(directory: string): { path: string; type: PackageType } | undefined {
    if (this.#types.has(directory)) return this.#types.get(directory);
    let found: { path: string; type: PackageType } | undefined;
    const path = join(directory, 'package.json');
    if (!directory.endsWith('/node_modules')) {
      if (this.stat(path) !== undefined && statSync(path).isFile()) {
        found = { path, type: packageType(path) };
      } else if (directory !== '/') found = this.scope(dirname(directory));
    }
    this.#types.set(directory, found);
    return found;
  }
}

/** Versions of Node.js differ in what they refuse: anything but what all of them take is unclear. */
function packageType(path: string): PackageType {
  let content: Buffer;
  try {
    content = readFileSync(path);
  } catch (error) {
    throw unreadable(path, error);
  }
  const text = content.toString().replace(/^\ufeff/, '');
  const manifest = parsed(text);
  if (!isUtf8(content) || typeof manifest !== 'object' || manifest === null) return 'unclear';
  const { name = '', type = '' } = manifest as { name?: unknown; type?: unknown };
  if (Array.isArray(manifest) || typeof name !== 'string' || typeof type !== 'string')
    return 'unclear';
  if (type !== 'module' && type !== 'commonjs') return undefined;
  // Written with escapes, such a key is another one for some.
  return text.includes('"type"') ? type : 'unclear';
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

export function isCode(error: unknown, ...codes: string[]): boolean {
  return error instanceof Error && 'code' in error && codes.includes(String(error.code));
}

/** The error for a file of the tree that cannot be read. */
export function unreadable(path: string, cause: unknown): WallaError {
  const reason = cause instanceof Error ? cause.message : String(cause);
  return new WallaError('ERR_WALLA_UNREADABLE', `cannot read ${path}: ${reason}`, { cause });
}

/**
 * Children of a directory; undefined when a name is not UTF-8, which the format cannot hold.
 * @param withOwn whether walla's own directory counts: only where something in it is packed
 */
export function list(path: string, withOwn = false): ListingRecord[] | undefined {
  let children: Dirent[];
  try {
    children = readdirSync(path, { withFileTypes: true });
  } catch (error) {
    throw unreadable(path, error);
  }
  const records = children
    .filter(({ name }) => withOwn || name !== WALLA_DIRECTORY)
    .map((child) => ({ name: child.name, type: directoryType(child) }));
  if (records.some(({ name }) => name.includes('\ufffd'))) return undefined;
  return records.sort((a, b) => compareBytes(a.name, b.name));
}

/** `d_type` of dirent.h. */
function directoryType(child: Dirent): number {
  if (child.isFile()) return 8;
  if (child.isDirectory()) return 4;
  if (child.isSymbolicLink()) return 10;
  if (child.isFIFO()) return 1;
  if (child.isCharacterDevice()) return 2;
  if (child.isBlockDevice()) return 6;
  return child.isSocket() ? 12 : 0;
}
