import { PieceDigest } from '../stage/format/piece-digest.ts';

/** The digest of an archive's body (docs/format.md), for bytes that are there as a whole. */
export function pieceDigestOf(bytes: Uint8Array): string {
  const digest = new PieceDigest();
  digest.update(bytes);
  return digest.finish();
}
