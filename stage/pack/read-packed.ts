import { isAbsolute, relative } from 'node:path';
import { WallaError } from '../errors.ts';
import { formatName } from '../format-name.ts';
import { INDEX_NAME, MANIFEST_NAME, type ModuleFormat } from '../format/index-layout.ts';
import type { IndexReader, ReadEntry } from '../format/index-reader.ts';
import { BLOCK_BYTES } from '../format/tar-header.ts';
import { openArchive, type OpenArchive, readAt } from './archive-reader.ts';

export interface PackedFile {
  /** Relative to the archive's root. */
  path: string;
  size: number;
  format: ModuleFormat | undefined;
  content: Buffer;
}

/**
 * Reads files out of an archive, packed links followed; the archive's own manifest too.
 * @param paths relative to the root, or absolute below the root that the archive names
 * @throws ERR_WALLA_USAGE for a path that is not packed or is no file
 */
export async function readPacked(archive: string, paths: readonly string[]): Promise<PackedFile[]> {
  const opened = await openArchive(archive);
  try {
    const files: PackedFile[] = [];
    for (const path of paths) files.push(await readOne(opened, archive, path));
    return files;
  } finally {
    await opened.handle.close();
  }
}

async function readOne(opened: OpenArchive, archive: string, given: string): Promise<PackedFile> {
  const { handle, manifest, index } = opened;
  if (given === MANIFEST_NAME) {
    const content = await readAt(handle, BLOCK_BYTES, manifest.body.offset - BLOCK_BYTES);
    return { path: given, size: content.length, format: 'json', content };
  }
  const path = packedPath(given, manifest.root);
  const entry = path === INDEX_NAME ? undefined : findFile(index, path);
  if (entry?.type !== 'file')
    throw new WallaError(
      'ERR_WALLA_USAGE',
      `${archive} has ${entry ? `a ${entry.type}` : 'no file'} ${formatName(path)}`,
      { hint: `walla ls ${archive} lists what it holds` },
    );
  const content = await readAt(handle, entry.offset, entry.size);
  return { path: entry.path, size: entry.size, format: entry.format, content };
}

/** A path as the index has it. */
export function packedPath(given: string, root: string): string {
  const inside = isAbsolute(given) ? relative(root, given) : given.replace(/^(?:\.\/+)+/, '');
  return inside.replace(/\/+$/, '');
}

/** The entry at a path, links in every component followed; undefined if it is not packed. */
export function findFile(index: IndexReader, path: string, depth = 0): ReadEntry | undefined {
  const found = index.find(path);
  if (found !== undefined) {
    const entry = index.entry(found);
    if (entry.type !== 'link') return entry;
    return entry.linkTarget === undefined || depth > 40
      ? undefined
      : findFile(index, index.entry(entry.linkTarget).path, depth + 1);
  }
  for (let slash = path.lastIndexOf('/'); slash > 0; slash = path.lastIndexOf('/', slash - 1)) {
    const above = index.find(path.slice(0, slash));
    if (above === undefined) continue;
    const { type, linkTarget } = index.entry(above);
    if (type !== 'link' || linkTarget === undefined || depth > 40) return undefined;
    return findFile(index, index.entry(linkTarget).path + path.slice(slash), depth + 1);
  }
  return undefined;
}
