/** Tells gzip from tar by the first two bytes, and passes on plain tar either way. */
import { Gunzip } from 'fflate';
import { WallaError } from '../../errors.ts';
import type { ArchiveSink } from './archive-sink.ts';

/** fflate hands over all that a piece expands to at once, up to a thousand times its size: so pieces are small. */
const PIECE_BYTES = 16 * 1024;
/** What gzip may add to data that does not shrink, generously. Endless empty members stop here. */
const mostGzipBytes = (plainBytes: number): number => plainBytes * 1.01 + 1024 * 1024;
/** Before the manifest says how large the archive is. */
const FRONT_BYTES = 16 * 1024 * 1024;

export class ArchiveDecoder {
  readonly #sink: ArchiveSink;
  readonly #name: string;
  #start: Buffer = Buffer.alloc(0);
  #gunzip: Gunzip | undefined;
  #isGzip: boolean | undefined;
  #unpackedFrom = 0;

  constructor(sink: ArchiveSink, name: string) {
    this.#sink = sink;
    this.#name = name;
  }

  /** Undefined until two bytes are there. */
  get isGzip(): boolean | undefined {
    return this.#isGzip;
  }

  /** @throws WallaError as ArchiveSink.write, and ERR_WALLA_ARCHIVE_DAMAGED for damaged gzip */
  push(chunk: Uint8Array): void {
    let bytes = chunk;
    if (this.#isGzip === undefined) {
      this.#start = Buffer.concat([this.#start, chunk]);
      if (this.#start.length < 2) return;
      bytes = this.#start;
      this.#isGzip = bytes[0] === 0x1f && bytes[1] === 0x8b;
      if (this.#isGzip) this.#gunzip = new Gunzip((plain) => this.#sink.write(plain));
    }
    if (this.#isGzip) this.#unpack(bytes, false);
    else this.#sink.write(bytes);
  }

  /** Says that there is no more. @throws as push */
  end(): void {
    if (this.#isGzip) this.#unpack(new Uint8Array(0), true);
  }

  #unpack(bytes: Uint8Array, last: boolean): void {
    const gunzip = this.#gunzip;
    if (!gunzip) return;
    this.#unpackedFrom += bytes.length;
    if (this.#unpackedFrom > mostGzipBytes(this.#sink.expectedBytes ?? FRONT_BYTES))
      throw new WallaError(
        'ERR_WALLA_ARCHIVE_DAMAGED',
        `${this.#name} cannot be unpacked: it goes on after its archive's end`,
      );
    try {
      for (let at = 0; at < bytes.length; at += PIECE_BYTES)
        gunzip.push(bytes.subarray(at, at + PIECE_BYTES), false);
      if (last) gunzip.push(bytes.subarray(bytes.length), true);
    } catch (error) {
      if (error instanceof WallaError) throw error;
      const reason = error instanceof Error ? error.message : String(error);
      throw new WallaError(
        'ERR_WALLA_ARCHIVE_DAMAGED',
        `${this.#name} cannot be unpacked: ${reason}`,
        { cause: error },
      );
    }
  }
}
