import fs from 'node:fs';
import { dirname } from 'node:path';

// As it is before the program starts: it may replace what it finds in `fs`.
const { mkdirSync } = fs;

/**
 * As `mkdir -p`. Not by the option `recursive`: where the file system makes no directories, as /proc does,
 * Node.js 20 to 26 try for ever.
 * @throws the system's error of the first directory that cannot be made
 */
export function makeDirectories(directory: string): void {
  const parent = dirname(directory);
  if (makeDirectory(directory, parent !== directory)) return;
  makeDirectories(parent);
  makeDirectory(directory, false);
}

/** @returns false where the parent is not there, and that may be */
function makeDirectory(directory: string, mayBeOrphan: boolean): boolean {
  try {
    mkdirSync(directory);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' && mayBeOrphan) return false;
    if (code !== 'EEXIST') throw error;
  }
  return true;
}
