import { createHash } from 'node:crypto';
import type { IndexEntry } from '../format/index-writer.ts';

/** Digest over path, type, size and modification time of every packed entry, in order. */
export function fingerprint(
  entries: readonly Pick<IndexEntry, 'path' | 'mode' | 'size' | 'mtimeNs'>[],
): string {
  const hash = createHash('sha256');
  for (const { path, mode, size, mtimeNs } of entries) {
    hash.update(`${path}\0${mode & 0o170000}\0${size}\0${mtimeNs}\n`);
  }
  return hash.digest('hex');
}
