/** Two users of a node, neither of them root: the one who runs a job, and a neighbour. */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { which } from '../mpi/launch.ts';
import { preload } from '../run-node.ts';

export const USER = 51_001;
export const NEIGHBOUR = 51_002;

/** Why this process cannot become either, or false. */
export function whyNotTwoUsers(): string | false {
  if (process.getuid?.() !== 0) return 'needs root, to become two other users';
  if (which('setpriv') === undefined) return 'setpriv is not installed';
  if (!existsSync('/dev/shm')) return 'there is no /dev/shm';
  const asUser = [
    '--reuid',
    String(USER),
    '--clear-groups',
    process.execPath,
    '-e',
    `fs.statSync('${preload}')`,
  ];
  return spawnSync('setpriv', asUser).status === 0
    ? false
    : 'this checkout is closed to other users';
}
