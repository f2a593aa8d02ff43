import { accessSync, constants, realpathSync } from 'node:fs';
import { resolve } from 'node:path';
import { WallaError } from '../errors.ts';
import { unreadable } from './source-tree.ts';
import { statIfThere } from './if-there.ts';

/** A program's entry as the user named it and as it really is. */
export interface Entry {
  /** Absolute, links kept. */
  given: string;
  real: string;
}

/** Extensions Node.js tries when the file it is to run does not exist as named. */
const TRIED = ['', '.js', '.json', '.node', '/index.js', '/index.json', '/index.node'];

/**
 * Finds the file that `node ENTRY` would run.
 * @throws ERR_WALLA_NO_ENTRY, ERR_WALLA_UNREADABLE
 */
export function findEntry(entry: string, directory: string, preserveSymlinks: boolean): Entry {
  const path = resolve(directory, entry);
  for (const suffix of TRIED) {
    const given = path + suffix;
    if (!statIfThere(given)?.isFile()) continue;
    try {
      accessSync(given, constants.R_OK);
    } catch (error) {
      throw unreadable(given, error);
    }
    return { given, real: preserveSymlinks ? given : realpathSync(given) };
  }
  throw new WallaError('ERR_WALLA_NO_ENTRY', `there is no program ${path}`);
}
