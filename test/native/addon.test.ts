/** The native core's work on files, as JavaScript sees it, against the contract of native/addon.ts. */
import assert from 'node:assert/strict';
import {
  chmodSync,
  closeSync,
  fstatSync,
  lstatSync,
  mkdirSync,
  openSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import type { FreshCheck, FreshCheckOptions } from '../../native/addon.ts';
import { pieceDigestOf } from '../piece-digest-of.ts';
import {
  FROZEN,
  LONG_ASCII,
  NODES,
  RULES,
  addon,
  failsWith,
  openImage,
  scratch,
} from './image-fixture.ts';
import { tarImage, type ImageNode } from './tar-image.ts';

test('private files and directories are made, found and refused', () => {
  const directory = addon.openPrivateDirectory(join(scratch, 'private'), true);
  assert.equal(fstatSync(directory).mode & 0o7777, 0o700);
  assert.equal(addon.openPrivateFileAt(directory, 'none', 'read'), -1);
  const file = addon.openPrivateFileAt(directory, 'file', 'create');
  assert.equal(fstatSync(file).mode & 0o7777, 0o600);
  assert.throws(() => addon.openPrivateFileAt(directory, 'file', 'create'), failsWith('EEXIST'));
  const inner = addon.openPrivateDirectoryAt(directory, 'inner', true);
  assert.throws(() => addon.openPrivateDirectoryAt(directory, 'other', false), failsWith('ENOENT'));
  assert.throws(() => addon.openPrivateDirectoryAt(directory, '..', false), failsWith('EINVAL'));
  assert.deepEqual(addon.listDirectory(directory).sort(), ['file', 'inner']);
  assert.equal(addon.isSameFile(file, directory, 'file'), true);
  addon.renameAt(directory, 'file', 'renamed');
  assert.equal(addon.isSameFile(file, directory, 'file'), false);
  assert.equal(addon.isSameFile(file, directory, 'renamed'), true);
  addon.removeTreeAt(directory, 'inner');
  addon.removeTreeAt(directory, 'inner');
  assert.deepEqual(addon.listDirectory(directory), ['renamed']);
  chmodSync(join(scratch, 'private'), 0o711);
  assert.throws(
    () => addon.openPrivateDirectory(join(scratch, 'private'), true),
    (error: NodeJS.ErrnoException) => {
      assert.equal(error.code, 'EPERM');
      assert.match(error.message, /private/);
      return true;
    },
  );
  for (const fd of [directory, file, inner]) closeSync(fd);
});

test('several private files are written at once', () => {
  const path = join(scratch, 'several');
  const directory = addon.openPrivateDirectory(path, true);
  addon.writePrivateFilesAt(directory, ['a', 'b'], [Buffer.from('bytes'), Buffer.alloc(0)]);
  assert.equal(readFileSync(join(path, 'a'), 'utf8'), 'bytes');
  assert.equal(lstatSync(join(path, 'b')).mode & 0o777, 0o600);
  for (const [name, code] of [
    ['a', 'EEXIST'],
    ['../c', 'EINVAL'],
  ] as const)
    assert.throws(
      () => addon.writePrivateFilesAt(directory, [name], [Buffer.alloc(1)]),
      failsWith(code),
    );
  assert.throws(
    () => addon.writePrivateFilesAt(directory, ['c'], ['text' as unknown as Buffer]),
    TypeError,
  );
  addon.close(directory);
});

test('locks exclude each other between open files', () => {
  const path = join(scratch, 'lock');
  writeFileSync(path, '');
  const [a, b] = [openSync(path, 'r+'), openSync(path, 'r')];
  assert.equal(addon.lock(a, 'shared', true), true);
  assert.equal(addon.lock(b, 'exclusive', false), false);
  addon.lock(a, 'unlock', true);
  assert.equal(addon.lock(b, 'exclusive', false), true);
  closeSync(a);
  closeSync(b);
  assert.throws(() => addon.lock(-1, 'shared', true), failsWith('EBADF'));
});

test('copies and digests agree with node:crypto', () => {
  const content = Buffer.alloc(5_000_011, 'walla is one archive\n');
  writeFileSync(join(scratch, 'source'), content);
  writeFileSync(join(scratch, 'target'), '');
  const [source, target] = [
    openSync(join(scratch, 'source'), 'r'),
    openSync(join(scratch, 'target'), 'r+'),
  ];
  addon.reserve(target, content.length);
  assert.equal(fstatSync(target).size, content.length);
  const expected = pieceDigestOf(content.subarray(1536));
  const told: number[] = [];
  assert.equal(
    addon.copyFile(source, target, content.length, 1536, (done) => told.push(done)),
    expected,
  );
  assert.equal(told.at(-1), content.length);
  assert.deepEqual(
    [...told].sort((a, b) => a - b),
    told,
  );
  const refuse = (): never => {
    throw new Error('refused');
  };
  assert.throws(
    () => addon.copyFile(source, target, content.length, 0, refuse),
    /^Error: refused$/,
  );
  assert.equal(addon.digestFile(target, 1536, content.length), expected);
  assert.deepEqual(readFileSync(join(scratch, 'target')), content);
  assert.throws(() => addon.copyFile(source, target, content.length + 1, 0), failsWith('EINVAL'));
  const space = addon.fileSystem(target);
  assert.ok(space.freeBytes > 0 && space.totalBytes >= space.freeBytes && space.executable);
  closeSync(source);
  closeSync(target);
});

test('bytes beyond 4 GiB are hashed', () => {
  const path = join(scratch, 'sparse');
  const far = 5 * 2 ** 30;
  const tail = Buffer.from('the end');
  const fd = openSync(path, 'w+');
  // A hole takes no space.
  writeSync(fd, tail, 0, tail.length, far);
  const expected = pieceDigestOf(tail);
  assert.equal(addon.digestFile(fd, far, far + tail.length), expected);
  closeSync(fd);
  rmSync(path);
});

test('native addons are extracted with their layout, one file on request', () => {
  const image = openImage(tarImage(NODES, RULES), ['/app'], 'natives');
  const directory = addon.openPrivateDirectory(join(scratch, 'extracted'), true);
  assert.deepEqual(addon.extractElf(image, directory), { files: 1, bytes: 4 });
  assert.deepEqual(addon.extractElf(image, directory), { files: 0, bytes: 0 });
  const path = join(scratch, 'extracted/node_modules/left/left.node');
  assert.equal(readFileSync(path, 'latin1'), '\x7fELF');
  assert.equal(lstatSync(path).mode & 0o7777, 0o700);
  assert.equal(readlinkSync(join(scratch, 'extracted/link')), 'node_modules/left');
  addon.materialize(image, image.find('/app/app.mjs', true), directory);
  assert.equal(readFileSync(join(scratch, 'extracted/app.mjs'), 'utf8'), LONG_ASCII);
  assert.throws(
    () => addon.materialize(image, -1, directory),
    failsWith('ERR_WALLA_ARCHIVE_DAMAGED'),
  );
  closeSync(directory);
});

describe('a source tree', () => {
  let root: string;
  let archive: number;
  const check = (limit = 100, more: Partial<FreshCheckOptions> = {}) => {
    const options = { threads: 3, limit, followLinks: false, locksOnly: false, ...more };
    const begun = addon.beginFreshCheck(archive, root, options);
    const { compared, ms, differences } = addon.finishFreshCheck(begun);
    assert.ok(ms >= 0);
    return { compared, differences: differences.map(({ path, reason }) => `${reason} ${path}`) };
  };
  before(() => {
    root = join(scratch, 'tree');
    mkdirSync(join(root, 'node_modules/left'), { recursive: true });
    writeFileSync(join(root, 'app.mjs'), 'app');
    writeFileSync(join(root, 'notes.txt'), 'notes');
    writeFileSync(join(root, 'package-lock.json'), '{}');
    writeFileSync(join(root, 'node_modules/left/package.json'), '{}');
    writeFileSync(join(root, 'node_modules/left/index.js'), 'left');
    symlinkSync('left', join(root, 'node_modules/right'));
    const node = (
      path: string,
      kind: ImageNode['kind'],
      more: Partial<ImageNode> = {},
    ): ImageNode => {
      const mtimeNs = lstatSync(join(root, path), { bigint: true }).mtimeNs;
      return {
        path,
        kind,
        mtimeNs,
        ...(kind === 'file' ? { data: readFileSync(join(root, path)) } : {}),
        ...more,
      };
    };
    const path = join(scratch, 'fresh');
    writeFileSync(
      path,
      tarImage([
        node('', 'directory', { unpacked: [['notes.txt', 8]] }),
        node('app.mjs', 'file'),
        node('node_modules', 'directory', { flags: FROZEN }),
        node('node_modules/left', 'directory', { flags: FROZEN }),
        node('node_modules/left/index.js', 'file'),
        node('node_modules/left/package.json', 'file'),
        node('package-lock.json', 'file'),
        node('node_modules/right', 'link', { text: 'left', target: 'node_modules/left' }),
      ]),
    );
    archive = openSync(path, 'r');
  });
  after(() => {
    closeSync(archive);
  });

  test('that nobody touched is fresh', () => {
    assert.deepEqual(check(), { compared: 8, differences: [] });
    assert.deepEqual(check(100, { locksOnly: true }), { compared: 2, differences: [] });
  });

  test('stays fresh when names come and go that resolve to nothing', () => {
    writeFileSync(join(root, 'output.log'), '');
    mkdirSync(join(root, '.walla'));
    rmSync(join(root, 'notes.txt'));
    assert.deepEqual(check().differences, []);
  });

  test('is stale when a name appears that a resolution may find', () => {
    writeFileSync(join(root, 'extra.cjs'), '');
    writeFileSync(join(root, 'node_modules/left/anything'), '');
    assert.deepEqual(check().differences, ['added extra.cjs', 'added node_modules/left/anything']);
    rmSync(join(root, 'extra.cjs'));
    rmSync(join(root, 'node_modules/left/anything'));
    assert.deepEqual(check().differences, []);
  });

  test('is stale when a lock file appears, in node_modules too', () => {
    writeFileSync(join(root, 'yarn.lock'), '');
    writeFileSync(join(root, 'node_modules/.package-lock.json'), '');
    assert.deepEqual(check().differences, [
      'added node_modules/.package-lock.json',
      'added yarn.lock',
    ]);
    rmSync(join(root, 'yarn.lock'));
    rmSync(join(root, 'node_modules/.package-lock.json'));
    assert.deepEqual(check().differences, []);
  });

  test('is seen through links where it was packed through links', () => {
    const moved = join(scratch, 'moved');
    renameSync(join(root, 'app.mjs'), moved);
    symlinkSync(moved, join(root, 'app.mjs'));
    assert.deepEqual(check().differences, ['changed app.mjs']);
    rmSync(join(root, 'node_modules/right'));
    mkdirSync(join(root, 'node_modules/right'));
    assert.deepEqual(check(9, { followLinks: true }).differences, ['changed node_modules/right']);
    rmSync(join(root, 'node_modules/right'), { recursive: true });
    symlinkSync('left', join(root, 'node_modules/right'));
    rmSync(join(root, 'app.mjs'));
    renameSync(moved, join(root, 'app.mjs'));
    assert.deepEqual(check().differences, []);
  });

  test('is stale by its lock file and package.json files when nothing else is asked for', () => {
    utimesSync(join(root, 'node_modules/left/index.js'), 1, 1);
    assert.deepEqual(check(9, { locksOnly: true }).differences, []);
    utimesSync(join(root, 'package-lock.json'), 1, 1);
    rmSync(join(root, 'node_modules/left/package.json'));
    assert.deepEqual(check(9, { locksOnly: true }).differences, [
      'removed node_modules/left/package.json',
      'changed package-lock.json',
    ]);
  });

  test('is no longer looked at once nobody waits for the answer', () => {
    const options = { threads: 64, limit: 9, followLinks: false, locksOnly: false };
    for (let i = 0; i < 100; i++) addon.beginFreshCheck(archive, root, options);
    const taken = addon.beginFreshCheck(archive, root, options);
    addon.finishFreshCheck(taken);
    assert.throws(() => addon.finishFreshCheck(taken));
    assert.throws(() => addon.finishFreshCheck({} as FreshCheck), TypeError);
  });

  test('is stale when a file or a link changes', () => {
    utimesSync(join(root, 'app.mjs'), 1, 1);
    rmSync(join(root, 'node_modules/right'));
    symlinkSync('elsewhere', join(root, 'node_modules/right'));
    assert.deepEqual(check().differences, [
      'changed app.mjs',
      'changed node_modules/left/index.js',
      'removed node_modules/left/package.json',
      'changed node_modules/right',
      'changed package-lock.json',
    ]);
  });

  test('is stale when files go, and the search ends at the limit', () => {
    rmSync(join(root, 'node_modules'), { recursive: true });
    assert.deepEqual(check().differences, [
      'changed app.mjs',
      'removed node_modules',
      'removed node_modules/left',
      'removed node_modules/left/index.js',
      'removed node_modules/left/package.json',
      'removed node_modules/right',
      'changed package-lock.json',
    ]);
    assert.equal(check(2).differences.length, 2);
    assert.equal(check(Infinity).differences.length, 7);
  });

  test('that is not there is an error', () => {
    root = join(scratch, 'nowhere');
    assert.throws(() => check(), failsWith('ENOENT'));
  });

  test('cannot be compared with what is no archive', () => {
    const path = join(scratch, 'cut');
    for (const bytes of [0, 100, 1024, 1600]) {
      writeFileSync(path, readFileSync(join(scratch, 'fresh')).subarray(0, bytes));
      archive = openSync(path, 'r');
      assert.throws(() => check(), failsWith('ERR_WALLA_ARCHIVE_DAMAGED'));
      closeSync(archive);
    }
    archive = openSync(scratch, 'r');
    assert.throws(() => check(), failsWith('ERR_WALLA_ARCHIVE_DAMAGED'));
  });
});
