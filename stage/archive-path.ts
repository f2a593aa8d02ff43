import { basename, dirname, join } from 'node:path';
import { hashBytes } from './format/index-layout.ts';

/** Name of the directory beside an entry that holds its archives and trace notes. Never packed. */
export const WALLA_DIRECTORY = '.walla';

/**
 * Where the archive of an entry is kept when no file is named.
 * The name carries what a resolution table depends on, so that two versions of Node.js sharing
 * one source tree do not overwrite each other's archive.
 * @param entry absolute path of the program's entry
 * @param others entries of the same job; their names are in the digest at the end of the file name
 */
export function defaultArchivePath(entry: string, ...others: string[]): string {
  const major = process.versions.node.split('.', 1)[0] ?? '';
  const suffix =
    others.length === 0 ? '' : '-' + hashBytes(Buffer.from(others.sort().join('\n'))).toString(16);
  const name = `${basename(entry)}${suffix}-node${major}-${process.platform}-${process.arch}.walla`;
  return join(dirname(entry), WALLA_DIRECTORY, name);
}
