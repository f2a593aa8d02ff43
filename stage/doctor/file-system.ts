/** File systems as statfs(2) names them. */
import { readFileSync, statfsSync } from 'node:fs';

export interface FileSystem {
  type: string;
  /** Whether its server is another machine. */
  shared: boolean;
  freeBytes: number;
  totalBytes: number;
}

/** linux/magic.h, and the headers of those that are not in the kernel. */
const TYPES: Record<number, readonly [type: string, shared: boolean]> = {
  0x6969: ['nfs', true],
  0x0bd00bd0: ['lustre', true],
  0x47504653: ['gpfs', true],
  0x19830326: ['beegfs', true],
  0x00c36400: ['ceph', true],
  0xff534d42: ['cifs', true],
  0xfe534d42: ['smb2', true],
  0x01021997: ['9p', true],
  0x517b: ['smb', true],
  0x7461636f: ['ocfs2', true],
  0x01161970: ['gfs2', true],
  0xaad7aaea: ['panfs', true],
  0x65735546: ['fuse', true],
  0x794c7630: ['overlayfs', false],
  0xef53: ['ext4', false],
  0x58465342: ['xfs', false],
  0x9123683e: ['btrfs', false],
  0x2fc12fc1: ['zfs', false],
  0x01021994: ['tmpfs', false],
  0x858458f6: ['ramfs', false],
  0x73717368: ['squashfs', false],
};

/** @throws Error with an errno code */
export function fileSystemOf(path: string): FileSystem {
  const { type, bsize, bavail, blocks } = statfsSync(path);
  // A signed word on some kernels.
  const magic = type >>> 0;
  const [name, shared] = TYPES[magic] ?? [`0x${magic.toString(16)}`, false];
  const told = name === 'fuse' ? fuseType(path) : name;
  return { type: told, shared, freeBytes: bavail * bsize, totalBytes: blocks * bsize };
}

/** FUSE has one number for all: the mount table says which it is. */
function fuseType(path: string): string {
  try {
    const mounts = readFileSync('/proc/self/mounts', 'utf8')
      .split('\n')
      .map((line) => line.split(' '))
      .filter(([, point = '/']) => point === '/' || path === point || path.startsWith(`${point}/`))
      .sort(([, a = ''], [, b = '']) => b.length - a.length);
    return mounts[0]?.[2] ?? 'fuse';
  } catch {
    return 'fuse';
  }
}
