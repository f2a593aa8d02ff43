import assert from 'node:assert/strict';
import { test } from 'node:test';
import { elfLibraries, isElf } from '../../stage/pack/elf.ts';
import { listArchive } from '../../stage/pack/list.ts';
import { pack } from '../../stage/pack/pack.ts';
import { writeTree } from '../fixtures/source-tree.ts';

interface Library {
  needed: string[];
  runPath: string;
  /** Tag of the run path: DT_RUNPATH unless told. */
  tag?: number;
}

/** The smallest shared object that has a dynamic section: header, two segments, tags, texts. */
function elf64({ needed, runPath, tag = 29 }: Library): Buffer {
  const texts = Buffer.from(`\0${[...needed, runPath].join('\0')}\0`);
  const offsetOf = (text: string) => BigInt(texts.indexOf(`\0${text}\0`) + 1);
  const tags: [bigint, bigint][] = [
    ...needed.map((name): [bigint, bigint] => [1n, offsetOf(name)]),
    [BigInt(tag), offsetOf(runPath)],
    [5n, 0x1000n],
    [0n, 0n],
  ];
  const dynamicAt = 64 + 2 * 56;
  const textsAt = dynamicAt + tags.length * 16;
  const bytes = Buffer.alloc(textsAt + texts.length);
  bytes.write('\x7fELF\x02\x01\x01', 'latin1');
  bytes.writeBigUInt64LE(64n, 32);
  bytes.writeUInt16LE(56, 54);
  bytes.writeUInt16LE(2, 56);
  writeSegment(bytes, 64, 1, textsAt, 0x1000, texts.length);
  writeSegment(bytes, 64 + 56, 2, dynamicAt, 0x2000, tags.length * 16);
  tags.forEach(([name, value], i) => {
    bytes.writeBigInt64LE(name, dynamicAt + i * 16);
    bytes.writeBigUInt64LE(value, dynamicAt + i * 16 + 8);
  });
  texts.copy(bytes, textsAt);
  return bytes;
}

function writeSegment(
  bytes: Buffer,
  at: number,
  type: number,
  offset: number,
  address: number,
  size: number,
): void {
  bytes.writeUInt32LE(type, at);
  bytes.writeBigUInt64LE(BigInt(offset), at + 8);
  bytes.writeBigUInt64LE(BigInt(address), at + 16);
  bytes.writeBigUInt64LE(BigInt(size), at + 32);
}

const readAt = (bytes: Buffer) => (offset: number, length: number) =>
  bytes.subarray(offset, offset + length);

test('reads needed libraries and run paths of a shared object', () => {
  const bytes = elf64({ needed: ['liba.so', 'libc.so.6'], runPath: '$ORIGIN/lib:/opt' });
  assert.ok(isElf(bytes));
  assert.deepEqual(elfLibraries(readAt(bytes)), {
    needed: ['liba.so', 'libc.so.6'],
    runPaths: ['$ORIGIN/lib', '/opt'],
  });
});

test('a cut or changed shared object has libraries or none, but never fails', () => {
  const bytes = elf64({ needed: ['liba.so'], runPath: '$ORIGIN' });
  for (let length = 0; length < bytes.length; length++) {
    elfLibraries(readAt(bytes.subarray(0, length)));
  }
  for (let at = 4; at < bytes.length; at++) {
    const copy = Buffer.from(bytes);
    copy[at] = 0xff;
    elfLibraries(readAt(copy));
  }
});

test('packs the libraries an addon finds beside itself, and those they need in turn', async () => {
  const tree = writeTree({
    'app.cjs': "require('./build/addon.node')",
    'build/addon.node': elf64({
      needed: ['liba.so.1', 'libc.so.6'],
      runPath: '$ORIGIN/../lib',
      tag: 15,
    }),
    'lib/liba.so.1': { link: 'liba.so.1.2' },
    'lib/liba.so.1.2': elf64({ needed: ['libb.so'], runPath: '${ORIGIN}/deep' }),
    'lib/deep/libb.so': elf64({ needed: [], runPath: '' }),
    'lib/unused.so': elf64({ needed: [], runPath: '' }),
  });
  try {
    const { file } = await pack({ entries: ['app.cjs'], directory: tree.root });
    const { entries, manifest } = await listArchive(file);
    const packed = entries.filter(({ type }) => type !== 'directory');
    const text = packed.map(({ path, format, native, link }) =>
      [path, format, native ? 'native' : '', link].filter(Boolean).join(' '),
    );
    assert.deepEqual(text, [
      'app.cjs commonjs',
      'build/addon.node addon native',
      'lib/deep/libb.so native',
      'lib/liba.so.1 liba.so.1.2',
      'lib/liba.so.1.2 native',
    ]);
    assert.equal(manifest.counts.natives, 3);
  } finally {
    tree.remove();
  }
});
