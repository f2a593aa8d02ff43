/** Paths as programs give them, for the addon and for messages. */

import type { PathLike } from 'node:fs';
import { fileURLToPath } from 'node:url';

import type { RawPath } from './addon.ts';
import { real } from './real-fs.ts';

/**
 * Checks a path as `fs` does.
 * @throws TypeError ERR_INVALID_ARG_TYPE and its like, on this rank alone
 */
export function rawPath(path: PathLike): RawPath {
  const given: unknown = path;
  const raw = given instanceof URL ? fileURLToPath(given) : given;
  if (typeof raw === 'string' && !raw.includes('\0')) return raw;
  if (raw instanceof Uint8Array && !raw.includes(0)) return raw;
  // It throws what it throws for arguments that are none.
  real.accessSync(path);
  throw new TypeError('a path is a string, a Buffer or a file: URL');
}

/** A checked path for an error. */
export function shown(path: RawPath): string {
  return typeof path === 'string' ? path : Buffer.from(path).toString();
}
