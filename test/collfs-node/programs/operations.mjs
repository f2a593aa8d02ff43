/**
 * Every operation against what `fs` says, with each rank as root. Each rank stands in a directory of its
 * own that the others do not look into, and names are relative: so it shows who asked.
 *
 *     operations.mjs DIRECTORY
 */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

import * as collfs from 'walla/collfs';
import { world } from 'walla/mpi';

const { rank, size } = world;
const base = process.argv[2];
const own = (of) => join(base, `rank-${of}`);
const LONG = 3_000_000;

fs.mkdirSync(join(own(rank), 'tree', 'sub'), { recursive: true });
process.chdir(own(rank));
fs.writeFileSync('file', `żółw of rank ${rank}`, { mode: 0o640 });
fs.writeFileSync('empty', '');
fs.writeFileSync('long', Buffer.alloc(LONG, rank + 1));
fs.writeFileSync(`tree/of-${rank}`, '');
fs.writeFileSync('tree/sub/leaf', 'leaf');
fs.symlinkSync('file', 'link');
fs.symlinkSync('loop', 'loop');
fs.symlinkSync('sub', 'tree/to-sub');
world.barrier();

/** What `call` gives or throws, as text. */
function outcome(call) {
  try {
    return describe(call());
  } catch (error) {
    const { name, message, code, errno, syscall, path } = error;
    return JSON.stringify({ name, message, code, errno, syscall, path });
  }
}

function describe(value) {
  if (value instanceof fs.Dirent)
    return `${value.parentPath} ${value.name} ${value.isDirectory()} ${value.isFile()} ${value.isSymbolicLink()}`;
  if (Array.isArray(value)) return value.map(describe).join('\n');
  if (typeof value !== 'object' || value === null || Buffer.isBuffer(value)) return String(value);
  // Looking at them changes when they were looked at.
  const shown = { ...value, mtime: value.mtime, atimeMs: 0, atimeNs: 0, atime: 0 };
  return JSON.stringify(shown, (_, each) => (typeof each === 'bigint' ? `${each}n` : each));
}

const CALLS = {
  readFileSync: [
    ['file', 'utf8'],
    ['file', { encoding: 'latin1' }],
    ['file'],
    ['long', null],
    ['empty'],
    ['absent'],
    ['tree'],
    ['file/below'],
    ['loop'],
    ['/proc/version', 'utf8'],
    [Buffer.from('file'), 'hex'],
    [''],
    ['nul\0'],
    [{}],
  ],
  statSync: [
    ['file'],
    ['link'],
    ['tree'],
    ['/dev/null'],
    ['file', { bigint: true }],
    ['absent'],
    ['file/below'],
    ['loop'],
    ['absent', { throwIfNoEntry: false }],
    ['file/below', { throwIfNoEntry: false }],
    [Buffer.from('file')],
  ],
  lstatSync: [
    ['link'],
    ['link', { bigint: true }],
    ['loop'],
    ['absent'],
    ['absent', { throwIfNoEntry: false }],
  ],
  readdirSync: [
    ['tree'],
    ['tree', 'buffer'],
    ['tree', { withFileTypes: true }],
    ['tree', { recursive: true }],
    ['tree', { recursive: true, withFileTypes: true }],
    ['tree/sub'],
    ['absent'],
    ['file'],
    ['.', 'latin1'],
  ],
  accessSync: [
    ['file'],
    ['file', fs.constants.R_OK],
    ['file', fs.constants.X_OK],
    ['absent'],
    ['tree/sub/leaf'],
  ],
  existsSync: [['file'], ['absent'], ['loop'], ['link'], [undefined]],
  readlinkSync: [['link'], ['link', 'buffer'], ['file'], ['absent']],
  realpathSync: [['link'], ['tree/to-sub/leaf'], ['absent/below'], ['loop'], ['link', 'buffer']],
};

/** The same call of `fs`, on root, whose answer all others have to have. */
function expected(root, name, args) {
  const text = rank === root ? outcome(() => fs[name](...args)) : undefined;
  return world.bcastJson(text, root);
}

/** Runs `call` on root alone; all get what it gave. */
function fromRoot(root, call) {
  return world.bcastJson(rank === root ? call() : undefined, root);
}

function compareAll(root) {
  for (const [name, calls] of Object.entries(CALLS)) {
    for (const args of calls) {
      const wanted = expected(root, name, args);
      const label = `${name}(${args.map(describe).join(', ')}) with root ${root} on rank ${rank}`;
      assert.equal(
        outcome(() => collfs[name](...args)),
        wanted,
        label,
      );
    }
  }
}

function testDescriptors(root) {
  const fd = collfs.openSync('long');
  const alone = world.size === 1 && !collfs.isShared(fd);
  assert.equal(fs.fstatSync(fd).size, LONG);
  const start = Buffer.alloc(7);
  assert.equal(fs.readSync(fd, start), 7);
  assert.deepEqual(start, Buffer.alloc(7, root + 1));
  if (!alone) {
    assert.ok(collfs.isShared(fd));
    assert.equal(
      describe(collfs.fstatSync(fd)),
      fromRoot(root, () => describe(fs.statSync('long'))),
    );
    assert.equal(
      describe(collfs.fstatSync(fd, { bigint: true })),
      fromRoot(root, () => describe(fs.statSync('long', { bigint: true }))),
    );
    assert.throws(() => fs.writeSync(fd, 'x'), { code: 'EBADF' });
  }
  fs.closeSync(fd);
  // Opening for writing is each rank's own.
  const written = collfs.openSync(`written-${rank}`, 'w');
  fs.writeSync(written, 'mine');
  assert.equal(collfs.isShared(written), false);
  fs.closeSync(written);
  assert.equal(fs.readFileSync(`written-${rank}`, 'utf8'), 'mine');
}

function testBatches(root) {
  const paths = ['file', 'absent', 'long', 'file/below', 'tree', 'link'];
  const opened = collfs.openManySync(paths);
  const codes = opened.map((each) => (typeof each === 'number' ? 'open' : `${each.message}`));
  assert.deepEqual(codes, [
    'open',
    "ENOENT: no such file or directory, open 'absent'",
    'open',
    "ENOTDIR: not a directory, open 'file/below'",
    'open',
    'open',
  ]);
  assert.equal(fs.readFileSync(opened[0], 'utf8'), `żółw of rank ${root}`);
  assert.equal(fs.readFileSync(opened[5], 'utf8'), `żółw of rank ${root}`);
  for (const fd of opened) if (typeof fd === 'number') fs.closeSync(fd);
  const same = (stats) =>
    stats.map((each) => (each instanceof Error ? each.message : describe(each)));
  for (const [name, one] of [
    ['statManySync', 'statSync'],
    ['lstatManySync', 'lstatSync'],
  ]) {
    const wanted = fromRoot(root, () =>
      same(
        paths.map((path) => {
          try {
            return fs[one](path);
          } catch (error) {
            return error;
          }
        }),
      ),
    );
    assert.deepEqual(same(collfs[name](paths)), wanted);
  }
  assert.equal(
    collfs.statManySync(['file'], { bigint: true })[0].size,
    BigInt(Buffer.byteLength(`żółw of rank ${root}`)),
  );
  assert.deepEqual(collfs.openManySync([]), []);
}

async function testPromises(root) {
  const { promises } = collfs;
  const content = `żółw of rank ${root}`;
  assert.equal(await promises.readFile('file', 'utf8'), content);
  const handle = await promises.open('file');
  assert.equal(await handle.readFile('utf8'), content);
  await handle.close();
  assert.equal((await promises.stat('file')).size, Buffer.byteLength(content));
  assert.deepEqual(
    await promises.readdir('tree'),
    fromRoot(root, () => fs.readdirSync('tree')),
  );
  await assert.rejects(promises.access('absent'), {
    code: 'ENOENT',
    syscall: 'access',
    path: 'absent',
  });
  await assert.rejects(promises.open('absent'), { code: 'ENOENT', syscall: 'open' });
  const names = [];
  for await (const entry of await promises.opendir('tree')) names.push(entry.name);
  assert.deepEqual(
    names.sort(),
    fromRoot(root, () => fs.readdirSync('tree').sort()),
  );
  const directory = collfs.opendirSync('tree');
  assert.equal(directory.path, 'tree');
  directory.closeSync();
}

assert.equal(collfs.depth(), 0);
assert.equal(collfs.readFileSync('file', 'utf8'), `żółw of rank ${rank}`);
assert.throws(() => collfs.pop(), { code: 'ERR_WALLA_OPTION' });
assert.throws(() => collfs.push({}), { code: 'ERR_WALLA_OPTION' });
assert.throws(() => collfs.push(world, { root: size }), { code: 'ERR_WALLA_OPTION' });
assert.throws(() => collfs.push(world, { rot: 0 }), /did you mean "root"/);
assert.throws(() => collfs.setRoot(0), { code: 'ERR_WALLA_OPTION' });
assert.deepEqual(collfs.counters(), []);

collfs.push();
for (let root = 0; root < size; root++) {
  collfs.setRoot(root);
  const url = pathToFileURL(join(own(root), 'file'));
  assert.equal(collfs.readFileSync(url, 'utf8'), `żółw of rank ${root}`);
  compareAll(root);
  testDescriptors(root);
  testBatches(root);
  await testPromises(root);
  assert.equal(
    collfs.independently(() => collfs.readFileSync('file', 'utf8')),
    `żółw of rank ${rank}`,
  );
}

const counted = collfs.counters();
const open = counted.find(({ operation }) => operation === 'open');
assert.ok(open.calls > open.failed && open.failed > 0 && open.bytes >= LONG * size);
assert.ok(open.totalSeconds >= open.maxSeconds && open.maxSeconds >= open.meanSeconds);
collfs.resetCounters();
assert.deepEqual(collfs.counters(), []);

// The innermost communicator counts, with a root of its own.
const half = world.split(rank % 2);
collfs.push(half, { root: half.size - 1 });
const last = world.rank % 2 === (size - 1) % 2 ? size - 1 : Math.max(size - 2, 0);
assert.equal(collfs.readFileSync('file', 'utf8'), `żółw of rank ${last}`);
assert.equal(collfs.pop(), half);
half.free();
assert.equal(collfs.readFileSync('file', 'utf8'), `żółw of rank ${size - 1}`);

// What is remembered is not asked again, nor is what has changed since noticed.
collfs.setCache(true);
assert.equal(collfs.existsSync('later'), false);
fs.writeFileSync('later', '');
world.barrier();
assert.equal(collfs.existsSync(join(own(size - 1), 'file')), true);
assert.equal(collfs.statSync(join(own(size - 1), 'file')).isFile(), true);
collfs.dropCache();
assert.equal(collfs.existsSync('later'), true);
assert.equal(collfs.pop(), world);

assert.equal(collfs.readFileSync('file', 'utf8'), `żółw of rank ${rank}`);
console.log('collfs agrees');
