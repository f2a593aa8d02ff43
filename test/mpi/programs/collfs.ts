/** Collective file operations: only root's file system is asked, and all ranks see its answers. */
import assert from 'node:assert/strict';
import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

import * as collfs from '../../../native/collfs.ts';
import { world } from '../../../native/mpi.ts';

const { rank, size } = world;
// Every rank has a directory that the others do not look into, so that who asked shows.
const directory = join(process.argv[2] ?? '', `rank-${rank}`);
mkdirSync(join(directory, 'empty'), { recursive: true });
const file = join(directory, 'file.txt');
writeFileSync(file, `żółw of rank ${rank}`);
world.barrier();

// Alone.
assert.equal(collfs.readFileSync(file, 'utf8'), `żółw of rank ${rank}`);
assert.ok(collfs.existsSync(file));
assert.throws(() => collfs.pop(), { code: 'ERR_WALLA_OPTION' });
assert.throws(() => collfs.push({} as never), { code: 'ERR_WALLA_OPTION' });

collfs.push(world);
for (let root = 0; root < size; root++) {
  const content = `żółw of rank ${root}`;
  assert.equal(collfs.readFileSync(file, { encoding: 'utf8', root }), content);
  assert.deepEqual(collfs.readFileSync(pathToFileURL(file), { root }), Buffer.from(content));
  const rootFile = join(process.argv[2] ?? '', `rank-${root}`, 'file.txt');
  const stats = collfs.statSync(file, { root });
  const expected = statSync(rootFile);
  assert.equal(stats.ino, expected.ino);
  assert.ok(stats.isFile());
  assert.deepEqual(stats.mtime, expected.mtime);
  assert.deepEqual(collfs.readdirSync(directory, { root }).sort(), ['empty', 'file.txt']);
  assert.deepEqual(collfs.readdirSync(join(directory, 'empty'), { root }), []);
  assert.equal(collfs.existsSync(file, { root }), true);
  // Exists on all ranks but root.
  const path = rank === root ? `${file}.absent` : file;
  assert.equal(collfs.existsSync(path, { root }), false);
  for (const [name, syscall, call] of [
    ['readFileSync', 'open', () => collfs.readFileSync(path, { root })],
    ['statSync', 'stat', () => collfs.statSync(path, { root })],
    ['readdirSync', 'scandir', () => collfs.readdirSync(path, { root })],
  ] as const) {
    assert.throws(
      call,
      { code: 'ENOENT', errno: -2, syscall, path: `${rootFile}.absent` },
      `${name} with root ${root}`,
    );
  }
}

// The innermost communicator counts.
const alone = world.split(rank);
assert.ok(alone);
collfs.push(alone);
assert.equal(collfs.readFileSync(file, 'utf8'), readFileSync(file, 'utf8'));
assert.equal(collfs.readdirSync(directory).length, readdirSync(directory).length);
assert.equal(collfs.pop(), alone);
assert.equal(collfs.readFileSync(file, 'utf8'), 'żółw of rank 0');
assert.equal(collfs.pop(), world);
assert.equal(collfs.readFileSync(file, 'utf8'), `żółw of rank ${rank}`);
console.log('collfs agrees');
