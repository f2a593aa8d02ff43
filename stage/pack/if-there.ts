import { type Stats, statSync } from 'node:fs';

/** What a path is, or undefined where nothing has it. */
export function statIfThere(path: string): Stats | undefined {
  return ifThere(() => statSync(path, { throwIfNoEntry: false }));
}

/** For a path below a file Node.js 20 throws even where it is told not to. */
export function ifThere<T>(look: () => T): T | undefined {
  try {
    return look();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOTDIR') return undefined;
    throw error;
  }
}
