/**
 * How much memory the control groups of this process leave it. A file on tmpfs is memory charged to them, and going
 * beyond their limit is no error that a program sees: the kernel kills it.
 */
import { readFileSync } from 'node:fs';

export interface MemoryRoom {
  /** Directory of the group that leaves least. */
  group: string;
  limitBytes: number;
  usedBytes: number;
  /** What can still be used: the limit less what is used and cannot be reclaimed. */
  freeBytes: number;
}

/** Version 1 says "no limit" by a number just below 2^63. */
const NO_LIMIT_BYTES = 2 ** 60;

interface Version {
  limit: string;
  used: string;
  /** Page cache in memory.stat: dropped when memory is short. Files on tmpfs are not in it. */
  reclaimable: RegExp;
}

const V1: Version = {
  limit: 'memory.limit_in_bytes',
  used: 'memory.usage_in_bytes',
  reclaimable: /^total_(?:in)?active_file (\d+)$/gm,
};
const V2: Version = {
  limit: 'memory.max',
  used: 'memory.current',
  reclaimable: /^(?:in)?active_file (\d+)$/gm,
};

/**
 * The group with the least room, of the groups of this process and those above them; undefined where none
 * has a limit, or none can be read.
 * @param proc where /proc/self is, for tests
 */
export function memoryRoom(proc = '/proc/self'): MemoryRoom | undefined {
  const rooms = groupDirectories(proc).flatMap(({ directories, version }) =>
    directories.flatMap((directory) => roomIn(directory, version) ?? []),
  );
  return rooms.sort((a, b) => a.freeBytes - b.freeBytes)[0];
}

function read(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}

function roomIn(directory: string, version: Version): MemoryRoom | undefined {
  const limitBytes = Number(read(`${directory}/${version.limit}`) ?? NaN);
  // "max" and what is not there are NaN.
  if (!(limitBytes < NO_LIMIT_BYTES)) return undefined;
  const usedBytes = Number(read(`${directory}/${version.used}`) ?? NaN);
  if (Number.isNaN(usedBytes)) return undefined;
  const stat = read(`${directory}/memory.stat`) ?? '';
  const cache = [...stat.matchAll(version.reclaimable)].reduce((sum, [, n]) => sum + Number(n), 0);
  const freeBytes = Math.max(0, limitBytes - usedBytes + Math.min(cache, usedBytes));
  return { group: directory, limitBytes, usedBytes, freeBytes };
}

/** For each hierarchy with memory in it, the directory of this process's group and of all above, to the mount point. */
function groupDirectories(proc: string): { directories: string[]; version: Version }[] {
  const groups = read(`${proc}/cgroup`) ?? '';
  const mounts = read(`${proc}/mountinfo`) ?? '';
  const found: { directories: string[]; version: Version }[] = [];
  for (const [, controllers = '', path = ''] of groups.matchAll(/^\d+:([^:]*):(.*)$/gm)) {
    const unified = controllers === '';
    if (!unified && !controllers.split(',').includes('memory')) continue;
    const mount = mountOf(mounts, unified);
    if (!mount) continue;
    // In a container the mount shows the tree from a group below the top.
    const below = path.startsWith(`${mount.root}/`) ? path.slice(mount.root.length) : path;
    const inside = mount.root === '/' ? path : path === mount.root ? '' : below;
    const directories = [mount.point];
    for (const name of inside.split('/').filter((part) => part !== '' && part !== '..'))
      directories.push(`${directories.at(-1) ?? ''}/${name}`);
    found.push({ directories, version: unified ? V2 : V1 });
  }
  return found;
}

function mountOf(mounts: string, unified: boolean): { root: string; point: string } | undefined {
  for (const line of mounts.split('\n')) {
    const [, , , root, point, ...rest] = line.split(' ');
    const [type, , options = ''] = rest.slice(rest.indexOf('-') + 1);
    if (root === undefined || point === undefined) continue;
    if (unified ? type === 'cgroup2' : type === 'cgroup' && options.split(',').includes('memory'))
      return { root, point };
  }
  return undefined;
}
