import { realpathSync } from 'node:fs';
import { dirname } from 'node:path';
import { WallaError } from '../../errors.ts';
import { downloadSettings } from '../../options.ts';
import { libcName } from '../libc.ts';
import type { PackOptions } from '../pack-options.ts';
import { unreadable } from '../source-tree.ts';
import { LockedTree } from './locked-tree.ts';

/**
 * The tree of a lock file, for programs of its project.
 * @param lockFile absolute path
 * @param programs absolute real paths
 * @throws WallaError as LockedTree.make; ERR_WALLA_USAGE, ERR_WALLA_UNREADABLE, ERR_WALLA_OPTION
 */
export function treeForPrograms(
  lockFile: string,
  programs: string[],
  { record, learn, codeCache, omit = [], progress }: PackOptions,
): Promise<LockedTree> {
  if (record !== undefined || learn !== undefined || codeCache !== undefined)
    throw new WallaError(
      'ERR_WALLA_USAGE',
      '--record, --learn and --code-cache look at installed packages, which --lockfile goes without',
    );
  const real = realpathOf(lockFile);
  const outside = programs.find((program) => !program.startsWith(`${dirname(real)}/`));
  if (outside !== undefined)
    throw new WallaError('ERR_WALLA_USAGE', `${outside} is not below ${dirname(real)}`, {
      hint: 'name the lock file of the project that the program belongs to',
    });
  return LockedTree.make({
    lockFile: real,
    machine: { os: process.platform, cpu: process.arch, libc: libcName() },
    omit,
    ...downloadSettings(process.env),
    onPackages: progress?.onPackages,
  });
}

function realpathOf(lockFile: string): string {
  try {
    return realpathSync(lockFile);
  } catch (error) {
    throw unreadable(lockFile, error);
  }
}
