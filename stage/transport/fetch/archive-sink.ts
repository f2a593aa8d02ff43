/**
 * Takes an archive's bytes in order, as they arrive, and writes them to a file: knows from the manifest how many there
 * must be, takes no more, and checks the digests on the way.
 */
import { fstatSync, ftruncateSync, statfsSync, writeSync } from 'node:fs';
import { WallaError } from '../../errors.ts';
import { CHILD_POINT, faultAt } from '../../fault.ts';
import { formatBytes } from '../../format-bytes.ts';
import { MANIFEST_NAME } from '../../format/index-layout.ts';
import { decodeManifest, type Manifest } from '../../format/manifest.ts';
import { PieceDigest } from '../../format/piece-digest.ts';
import { BLOCK_BYTES, leadingMember, roundUp } from '../../format/tar-header.ts';

/** Far above any real manifest: keeps a damaged size from asking for all memory. */
const LONGEST_MANIFEST_BYTES = 16 * 1024 * 1024;

export class ArchiveSink {
  readonly #fd: number;
  readonly #name: string;
  #written = 0;
  /** The bytes up to the end of the manifest, until it is decoded. */
  #front: Buffer[] = [];
  #manifestBytes: number | undefined;
  #manifest: Manifest | undefined;
  readonly #digest = new PieceDigest();

  /**
   * @param fd file to write, from its start
   * @param name the archive's name in messages
   */
  constructor(fd: number, name: string) {
    this.#fd = fd;
    this.#name = name;
  }

  /** Size of the whole archive; undefined until its manifest has arrived. */
  get expectedBytes(): number | undefined {
    const body = this.#manifest?.body;
    return body && body.offset + body.bytes;
  }

  get writtenBytes(): number {
    return this.#written;
  }

  /**
   * @throws WallaError ERR_WALLA_ARCHIVE_FORMAT or ERR_WALLA_ARCHIVE_DAMAGED when this is no archive, or longer than
   *   its manifest says; ERR_WALLA_NO_SPACE
   */
  write(chunk: Uint8Array): void {
    if (!this.#manifest) this.#readFront(chunk);
    const limit = this.expectedBytes ?? BLOCK_BYTES + LONGEST_MANIFEST_BYTES;
    if (this.#written + chunk.length > limit)
      throw new WallaError(
        'ERR_WALLA_ARCHIVE_DAMAGED',
        `${this.#name} is longer than the ${limit} bytes its manifest says`,
      );
    if (this.#manifest) {
      const skip = Math.max(0, this.#manifest.body.offset - this.#written);
      if (skip < chunk.length) this.#digest.update(chunk.subarray(skip));
    }
    this.#put(chunk);
  }

  /**
   * Ends the file.
   * @returns the manifest, and the digest of the body's pieces in hex
   * @throws WallaError ERR_WALLA_ARCHIVE_DAMAGED when bytes are missing or do not have the manifest's digest
   */
  finish(): { manifest: Manifest; bodyDigest: string } {
    const expected = this.expectedBytes;
    if (this.#written < BLOCK_BYTES)
      throw new WallaError('ERR_WALLA_ARCHIVE_FORMAT', `${this.#name} is not a walla archive`);
    if (!this.#manifest || expected === undefined || this.#written < expected)
      throw new WallaError(
        'ERR_WALLA_ARCHIVE_DAMAGED',
        `${this.#name} is cut off after ${this.#written} of ${expected ?? 'an unknown number of'} bytes`,
      );
    const bodyDigest = this.#digest.finish();
    if (bodyDigest !== this.#manifest.body.digest)
      throw new WallaError(
        'ERR_WALLA_ARCHIVE_DAMAGED',
        `${this.#name} does not have the digest its manifest says`,
      );
    ftruncateSync(this.#fd, expected);
    return { manifest: this.#manifest, bodyDigest };
  }

  /** Gathers bytes until the manifest is whole; then everything after it is hashed. */
  #readFront(chunk: Uint8Array): void {
    this.#front.push(Buffer.from(chunk));
    const have = this.#written + chunk.length;
    if (have < BLOCK_BYTES) return;
    if (this.#manifestBytes === undefined) {
      const header = Buffer.concat(this.#front).subarray(0, BLOCK_BYTES);
      const bytes = this.#named(() => leadingMember(header, MANIFEST_NAME));
      if (!(bytes > 0 && bytes <= LONGEST_MANIFEST_BYTES)) throw this.#damaged();
      this.#manifestBytes = bytes;
    }
    const end = BLOCK_BYTES + this.#manifestBytes;
    if (have < end) return;
    const front = Buffer.concat(this.#front);
    this.#front = [];
    const manifest = this.#named(() => decodeManifest(front.subarray(BLOCK_BYTES, end)));
    const { offset } = manifest.body;
    if (offset !== BLOCK_BYTES + roundUp(this.#manifestBytes)) throw this.#damaged();
    this.#manifest = manifest;
    this.#checkSpace(offset + manifest.body.bytes);
    // Earlier chunks end before the manifest does, so the body begins in this chunk at the earliest.
  }

  #named<T>(read: () => T): T {
    try {
      return read();
    } catch (error) {
      const { code, message } = WallaError.from(error);
      throw new WallaError(code, `${this.#name}: ${message}`, { cause: error });
    }
  }

  #damaged(): WallaError {
    return new WallaError('ERR_WALLA_ARCHIVE_DAMAGED', `${this.#name} has a damaged manifest`);
  }

  /** A file whose blocks are there already needs no more. */
  #checkSpace(bytes: number): void {
    const needed = bytes - fstatSync(this.#fd).blocks * 512;
    const { bavail, bsize } = statfsSync(`/proc/self/fd/${this.#fd}`);
    if (needed > bavail * bsize)
      throw new WallaError(
        'ERR_WALLA_NO_SPACE',
        `${this.#name} needs ${formatBytes(bytes)}, ${formatBytes(bavail * bsize)} are free where it is written`,
      );
  }

  #put(chunk: Uint8Array): void {
    const half = (this.expectedBytes ?? 0) / 2;
    try {
      if (this.#written < half && half <= this.#written + chunk.length) faultAt(CHILD_POINT);
      for (let done = 0; done < chunk.length;) {
        const put = writeSync(this.#fd, chunk, done, chunk.length - done, this.#written);
        done += put;
        this.#written += put;
      }
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException;
      const full = code === 'ENOSPC' || code === 'EDQUOT';
      throw new WallaError(
        full ? 'ERR_WALLA_NO_SPACE' : 'ERR_WALLA_TRANSFER',
        `cannot write ${this.#name} after ${formatBytes(this.#written)}: ${message}`,
        { cause: error },
      );
    }
  }
}
