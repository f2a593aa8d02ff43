import type { Hash } from 'node:crypto';

/** Bytes of a piece; the last one may be shorter. native/src/piece_digest.h has the same. */
export const PIECE_BYTES = 256 * 1024;

function sha256(): Hash {
  return process.getBuiltinModule('node:crypto').createHash('sha256');
}

/**
 * The digest of an archive's body: SHA-256 over the SHA-256 digests of its pieces, one after the other. Pieces can be
 * hashed side by side, as the native core does; here they come in order, cut anyhow.
 */
export class PieceDigest {
  readonly #all = sha256();
  #piece = sha256();
  /** Of the piece that has begun. */
  #bytes = 0;

  update(chunk: Uint8Array): void {
    for (let at = 0; at < chunk.length;) {
      const end = Math.min(chunk.length, at + PIECE_BYTES - this.#bytes);
      this.#piece.update(chunk.subarray(at, end));
      this.#bytes += end - at;
      at = end;
      if (this.#bytes === PIECE_BYTES) this.#endPiece();
    }
  }

  /** Ends the digest; update may not be called afterwards. @returns lower-case hex */
  finish(): string {
    if (this.#bytes > 0) this.#endPiece();
    return this.#all.digest('hex');
  }

  #endPiece(): void {
    this.#all.update(this.#piece.digest());
    this.#piece = sha256();
    this.#bytes = 0;
  }
}
