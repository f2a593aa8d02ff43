import { realpathSync } from 'node:fs';
import { dirname } from 'node:path';
import { WallaError } from '../errors.ts';
import { downloadSettings } from '../options.ts';
import { libcName } from './libc.ts';
import type { AssembledTree } from './assembled-tree.ts';
import type { PackOptions } from './pack-options.ts';
import { unreadable } from './source-tree.ts';
import { LockedTree } from './lockfile/locked-tree.ts';
import { findPnpProject } from './pnp/pnp-project.ts';
import { PnpTree } from './pnp/pnp-tree.ts';

/**
 * The tree to pack programs from where their packages do not lie in it as files: with a lock file, and in a
 * Plug'n'Play project. To be removed with `mirror.remove()`.
 * @param lockFile absolute path, if one was given
 * @param programs absolute real paths
 * @returns undefined where the tree is packed as it is
 * @throws WallaError as LockedTree.make and PnpTree; ERR_WALLA_USAGE, ERR_WALLA_UNREADABLE, ERR_WALLA_OPTION
 */
export async function treeForPrograms(
  lockFile: string | undefined,
  programs: string[],
  { record, learn, codeCache, omit = [], progress }: PackOptions,
): Promise<AssembledTree | undefined> {
  const project = lockFile === undefined ? findPnpProject(programs[0] ?? '/') : undefined;
  if (lockFile === undefined && project === undefined) return undefined;
  if (record !== undefined || learn !== undefined || Array.isArray(codeCache))
    throw new WallaError(
      'ERR_WALLA_USAGE',
      "--record, --learn and --code-cache look at installed files, which --lockfile and Plug'n'Play go without",
    );
  if (lockFile === undefined) {
    const real = realpathOf(project ?? '/');
    mustHold(real, programs);
    return new PnpTree(real);
  }
  const real = realpathOf(lockFile);
  mustHold(dirname(real), programs);
  return LockedTree.make({
    lockFile: real,
    machine: { os: process.platform, cpu: process.arch, libc: libcName() },
    omit,
    ...downloadSettings(process.env),
    onPackages: progress?.onPackages,
  });
}

function mustHold(project: string, programs: string[]): void {
  const outside = programs.find((program) => !program.startsWith(`${project}/`));
  if (outside !== undefined)
    throw new WallaError('ERR_WALLA_USAGE', `${outside} is not below ${project}`, {
      hint: 'pack programs of one project, with its own lock file',
    });
}

function realpathOf(lockFile: string): string {
  try {
    return realpathSync(lockFile);
  } catch (error) {
    throw unreadable(lockFile, error);
  }
}
