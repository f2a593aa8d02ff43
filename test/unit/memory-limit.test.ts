import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { memoryRoom } from '../../stage/memory-limit.ts';

const MIB = 1 << 20;

describe('the memory that control groups leave', () => {
  let root: string;
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'walla-groups-'));
  });
  afterEach(() => {
    rmSync(root, { recursive: true });
  });

  function write(path: string, text: string): void {
    const file = join(root, path);
    mkdirSync(join(file, '..'), { recursive: true });
    writeFileSync(file, text);
  }

  function process(cgroup: string, mount: string): string {
    write('proc/cgroup', cgroup);
    write('proc/mountinfo', `22 1 0:2 / / rw - ext4 /dev/x rw\n${mount}\n`);
    return join(root, 'proc');
  }

  const unified = (at = '/'): string =>
    `30 22 0:26 ${at} ${root}/fs rw shared:4 - cgroup2 cgroup2 rw`;

  it('is the least that any group up to the top leaves (version 2)', () => {
    write('fs/memory.stat', '');
    write('fs/job/memory.max', `${100 * MIB}\n`);
    write('fs/job/memory.current', `${60 * MIB}\n`);
    write('fs/job/step/memory.max', 'max\n');
    write('fs/job/step/memory.current', `${50 * MIB}\n`);
    assert.deepEqual(memoryRoom(process('0::/job/step\n', unified())), {
      group: `${root}/fs/job`,
      limitBytes: 100 * MIB,
      usedBytes: 60 * MIB,
      freeBytes: 40 * MIB,
    });
  });

  it('counts page cache as free, but not what is on tmpfs (version 2)', () => {
    write('fs/job/memory.max', String(100 * MIB));
    write('fs/job/memory.current', String(90 * MIB));
    write(
      'fs/job/memory.stat',
      `anon 1\nfile ${80 * MIB}\nshmem ${60 * MIB}\ninactive_anon ${60 * MIB}\nactive_file ${5 * MIB}\ninactive_file ${15 * MIB}\n`,
    );
    assert.equal(memoryRoom(process('0::/job\n', unified()))?.freeBytes, 30 * MIB);
  });

  it('is found below the root of a container’s mount', () => {
    write('fs/step/memory.max', String(100 * MIB));
    write('fs/step/memory.current', '0');
    const proc = process('0::/box/step\n', unified('/box'));
    assert.equal(memoryRoom(proc)?.group, `${root}/fs/step`);
  });

  it('is that of the memory controller (version 1)', () => {
    write('fs/job/memory.limit_in_bytes', String(64 * MIB));
    write('fs/job/memory.usage_in_bytes', String(32 * MIB));
    write(
      'fs/job/memory.stat',
      `inactive_file 1\ntotal_inactive_file ${8 * MIB}\ntotal_active_file 0\n`,
    );
    write('fs/memory.limit_in_bytes', '9223372036854771712');
    write('fs/memory.usage_in_bytes', '1');
    const mount = `35 31 0:32 / ${root}/fs rw,relatime - cgroup cgroup rw,memory`;
    const room = memoryRoom(process('5:cpu:/job\n4:memory:/job\n0::/\n', mount));
    assert.equal(room?.freeBytes, 40 * MIB);
  });

  it('is not known where there is no limit, no group or no /proc', () => {
    write('fs/job/memory.max', 'max');
    write('fs/job/memory.current', '5');
    assert.equal(memoryRoom(process('0::/job\n', unified())), undefined);
    assert.equal(memoryRoom(process('0::/other\n', unified())), undefined);
    assert.equal(memoryRoom(join(root, 'nothing')), undefined);
  });
});
