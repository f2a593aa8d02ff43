import { lstatSync, readFileSync, readlinkSync, statSync, type BigIntStats } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { WallaError } from '../errors.ts';
import type { PackageType } from './module-format.ts';

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
    const look = this.#preserveSymlinks ? statSync : lstatSync;
    let found: BigIntStats | undefined;
    try {
      found = look(path, { bigint: true, throwIfNoEntry: false });
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
    const text = readlinkSync(own);
    const target = this.follow(resolve(parent, text), depth + 1);
    if (target !== undefined) this.links.set(own, { text, stat, target });
    return target;
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

function packageType(path: string): PackageType {
  try {
    const { type } = JSON.parse(readFileSync(path, 'utf8')) as { type?: unknown };
    return type === 'module' || type === 'commonjs' ? type : undefined;
  } catch (error) {
    if (error instanceof SyntaxError || error instanceof TypeError) return undefined;
    throw unreadable(path, error);
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
