/** The digest of an archive's body, against what docs/format.md says and node:crypto computes. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { PIECE_BYTES, PieceDigest } from '../../stage/format/piece-digest.ts';
import { pieceDigestOf } from '../piece-digest-of.ts';

const sha256 = (bytes: Uint8Array): Buffer => createHash('sha256').update(bytes).digest();

function content(bytes: number): Buffer {
  const data = Buffer.alloc(bytes);
  for (let i = 0; i < bytes; i++) data[i] = (i * 31 + (i >> 8)) & 0xff;
  return data;
}

test('is SHA-256 over the SHA-256 digests of pieces of 256 KiB, the last one shorter', () => {
  const data = content(2 * PIECE_BYTES + 5);
  const pieces = [0, 1, 2].map((i) => data.subarray(i * PIECE_BYTES, (i + 1) * PIECE_BYTES));
  assert.equal(PIECE_BYTES, 262_144);
  assert.equal(pieceDigestOf(data), sha256(Buffer.concat(pieces.map(sha256))).toString('hex'));
});

test('of no bytes is SHA-256 of nothing', () => {
  assert.equal(pieceDigestOf(Buffer.alloc(0)), sha256(Buffer.alloc(0)).toString('hex'));
});

test('does not depend on how the bytes are cut', () => {
  for (const bytes of [1, PIECE_BYTES - 1, PIECE_BYTES, PIECE_BYTES + 1, 3 * PIECE_BYTES]) {
    const data = content(bytes);
    const expected = pieceDigestOf(data);
    for (const step of [1000, PIECE_BYTES - 7, PIECE_BYTES, 2 * PIECE_BYTES + 3]) {
      const digest = new PieceDigest();
      for (let at = 0; at < bytes; at += step) digest.update(data.subarray(at, at + step));
      assert.equal(digest.finish(), expected, `${bytes} bytes in steps of ${step}`);
    }
  }
});
