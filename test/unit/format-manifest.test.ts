import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  decodeManifest,
  encodeManifest,
  type ManifestFields,
} from '../../stage/format/manifest.ts';

const FIELDS: ManifestFields = {
  walla: '0.1.0',
  root: '/home/ünï/app',
  entries: ['app.mjs'],
  platform: 'linux',
  arch: 'x64',
  libc: 'glibc',
  node: 'v20.20.2',
  abi: '115',
  conditions: [],
  preserveSymlinks: false,
  counts: { files: 1, directories: 1, links: 0, natives: 0, resolutions: 0, absent: 0 },
  dataBytes: 10,
  fingerprint: 'f'.repeat(64),
};

test('a manifest is read back, and its size does not depend on its digests', () => {
  const placeholder = encodeManifest(FIELDS, 4096);
  const { bytes, manifest } = encodeManifest(FIELDS, 4096, 'a'.repeat(64));
  assert.equal(bytes.length, placeholder.bytes.length);
  assert.equal(bytes.length % 512, 0);
  assert.equal(bytes.at(-1), 0x0a);
  assert.equal(manifest.body.offset, 512 + bytes.length);
  assert.deepEqual(decodeManifest(bytes), manifest);
});

test('refuses a manifest with any byte changed', () => {
  const { bytes } = encodeManifest(FIELDS, 4096, 'a'.repeat(64));
  for (let at = 0; at < bytes.length; at++) {
    const copy = Buffer.from(bytes);
    copy[at] = (bytes[at] ?? 0) ^ 1;
    assert.throws(() => decodeManifest(copy), /ERR_WALLA|digest|JSON|field|format|object/);
  }
});

test('names another format version as such', () => {
  const { bytes } = encodeManifest(FIELDS, 4096);
  const other = Buffer.from(bytes.toString().replace('"format": 1', '"format": 2'));
  assert.throws(() => decodeManifest(other), { code: 'ERR_WALLA_ARCHIVE_FORMAT' });
});

test('refuses a manifest that lacks a field', () => {
  const { manifest } = encodeManifest(FIELDS, 4096);
  const lacking = Buffer.from(JSON.stringify({ ...manifest, counts: undefined }));
  assert.throws(() => decodeManifest(lacking), { code: 'ERR_WALLA_ARCHIVE_DAMAGED' });
  assert.throws(() => decodeManifest(Buffer.from('[]')), { code: 'ERR_WALLA_ARCHIVE_DAMAGED' });
});

test('code caches lie inside the body', () => {
  const codeCache = { tag: 't', made: 'compiled', count: 1, offset: 1024, bytes: 512 } as const;
  const decoded = (fields: object) =>
    decodeManifest(
      encodeManifest({ ...FIELDS, codeCache: { ...codeCache, ...fields } }, 4096).bytes,
    );
  assert.deepEqual(decoded({}).codeCache, codeCache);
  assert.deepEqual(decoded({ bytes: 3072 }).codeCache?.bytes, 3072);
  for (const wrong of [{ bytes: 3073 }, { offset: -1 }, { made: 'up' }, { tag: 5 }, { count: 0.5 }])
    assert.throws(() => decoded(wrong), /lacks a field or has one of another type/);
});
