import assert from 'node:assert/strict';
import { test } from 'node:test';
import { IndexReader } from '../../stage/format/index-reader.ts';
import {
  compareBytes,
  encodeIndex,
  placeData,
  type IndexEntry,
  type IndexResolution,
} from '../../stage/format/index-writer.ts';

const IMAGE_BYTES = 1 << 20;

function file(path: string, more: Partial<IndexEntry> = {}): IndexEntry {
  return { path, mode: 0o100644, size: 3, mtimeNs: 1_700_000_000_123_456_789n, flags: 24, ...more };
}

const ENTRIES: IndexEntry[] = [
  file('', {
    mode: 0o040755,
    flags: 2,
    listing: [
      { name: 'a.mjs', type: 8 },
      { name: 'elsewhere', type: 8 },
      { name: 'ünï😀', type: 8 },
    ],
  }),
  file('a.mjs', { format: 'module', scope: 'package.json' }),
  file('link', { mode: 0o120777, flags: 0, linkText: './ünï😀', linkTarget: 'ünï😀' }),
  file('package.json', { format: 'json' }),
  file('x'.repeat(5000), { mtimeNs: -1n }),
  file('\uffff.mjs'),
  file('ünï😀', { flags: 17 }),
].sort((a, b) => compareBytes(a.path, b.path));

const RESOLUTIONS: IndexResolution[] = [
  {
    directory: '',
    specifier: './a.mjs?x',
    kind: 'import',
    outcome: 'file',
    file: 'a.mjs',
    text: '?x',
  },
  { directory: '', specifier: 'fs', kind: 'import', outcome: 'builtin', text: 'node:fs' },
  { directory: '', specifier: 'absent', kind: 'require', outcome: 'absent', text: '{}' },
];

function encoded(): Buffer {
  const { bytes } = encodeIndex(ENTRIES, RESOLUTIONS);
  placeData(
    bytes,
    ENTRIES.map((_, i) => i * 512),
    IMAGE_BYTES,
  );
  return bytes;
}

test('what is written into an index is read back', () => {
  const index = new IndexReader(encoded(), IMAGE_BYTES);
  assert.equal(index.entryCount, ENTRIES.length);
  for (const [number, entry] of ENTRIES.entries()) {
    const read = index.entry(number);
    assert.equal(index.find(entry.path), number);
    assert.equal(read.path, entry.path);
    assert.equal(read.offset, number * 512);
    assert.equal(read.mtimeNs, entry.mtimeNs);
    assert.equal(read.format, entry.format);
    assert.equal(read.flags, entry.flags);
    assert.equal(read.linkText, entry.linkText ?? '');
    assert.equal(read.scope, entry.scope === undefined ? undefined : index.find(entry.scope));
    const target = entry.linkTarget;
    assert.equal(read.linkTarget, target === undefined ? undefined : index.find(target));
  }
  assert.equal(index.find('nope'), undefined);
  assert.deepEqual(index.listing(0), [
    { name: 'a.mjs', entry: index.find('a.mjs'), type: 8 },
    { name: 'elsewhere', entry: undefined, type: 8 },
    { name: 'ünï😀', entry: index.find('ünï😀'), type: 8 },
  ]);
});

test('resolutions are found by directory, name and kind', () => {
  const index = new IndexReader(encoded(), IMAGE_BYTES);
  for (const { specifier, kind, outcome, text } of RESOLUTIONS) {
    const found = index.resolve(0, specifier, kind);
    assert.equal(found?.outcome, outcome);
    assert.equal(found.text, text);
  }
  assert.equal(index.resolve(0, 'absent', 'import'), undefined);
  assert.equal(index.resolve(1, 'absent', 'require'), undefined);
  assert.equal([...index.resolutions()].length, RESOLUTIONS.length);
});

test('thousands of entries and resolutions are all found', () => {
  const entries = [file('', { mode: 0o040755 })];
  const resolutions: IndexResolution[] = [];
  for (let i = 0; i < 3000; i++) {
    entries.push(file(`f${i}`));
    const names = { directory: '', specifier: `./f${i}`, kind: 'import' } as const;
    resolutions.push({ ...names, outcome: 'file', file: `f${i}`, text: '' });
  }
  entries.sort((a, b) => compareBytes(a.path, b.path));
  const { bytes } = encodeIndex(entries, resolutions);
  placeData(
    bytes,
    entries.map(() => 0),
    IMAGE_BYTES,
  );
  const index = new IndexReader(bytes, IMAGE_BYTES);
  for (let i = 0; i < 3000; i++) {
    const found = index.resolve(0, `./f${i}`, 'import');
    assert.equal(found?.file, index.find(`f${i}`));
  }
});

test('paths sort by their bytes, not by UTF-16 units', () => {
  const paths = ['\u{1f600}', '\uffff', 'a', '', 'a/b', 'a.b'];
  const sorted = [...paths].sort(compareBytes);
  assert.deepEqual(
    sorted,
    [...paths].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b))),
  );
});

const DAMAGE: Record<string, (bytes: Buffer) => Buffer> = {
  'a cut index': (bytes) => bytes.subarray(0, bytes.length - 8),
  'an index shorter than its header': (bytes) => bytes.subarray(0, 100),
  'another magic': (bytes) => set(bytes, 0, 0x41),
  'another version': (bytes) => set(bytes, 8, 9),
  'another image size': (bytes) => set(bytes, 24, 1),
  'a section outside': (bytes) => set(bytes, 39, 1),
  'a count that does not fit': (bytes) => set(bytes, 43, 1),
  'slots that are no power of two': (bytes) => set(bytes, 56, bytes.readUInt8(56) - 1),
};

function set(bytes: Buffer, at: number, value: number): Buffer {
  bytes[at] = value;
  return bytes;
}

for (const [name, damage] of Object.entries(DAMAGE)) {
  test(`refuses ${name}`, () => {
    assert.throws(() => new IndexReader(damage(encoded()), IMAGE_BYTES), {
      code: 'ERR_WALLA_ARCHIVE_DAMAGED',
    });
  });
}

test('no changed byte makes the reader do anything but answer or refuse', () => {
  const bytes = encoded();
  for (let at = 0; at < bytes.length; at += 7) {
    const copy = set(Buffer.from(bytes), at, (bytes[at] ?? 0) ^ 0xff);
    try {
      const index = new IndexReader(copy, IMAGE_BYTES);
      for (const entry of index.entries()) index.find(entry.path);
      for (let number = 0; number < index.entryCount; number++) index.listing(number);
      for (const found of index.resolutions()) {
        index.resolve(found.directory, found.specifier, found.kind);
      }
    } catch (error) {
      assert.equal((error as { code?: unknown }).code, 'ERR_WALLA_ARCHIVE_DAMAGED');
    }
  }
});
