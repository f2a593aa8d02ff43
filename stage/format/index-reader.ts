import { isUtf8 } from 'node:buffer';
import { WallaError } from '../errors.ts';
import {
  ENTRY_BYTES,
  FORMATS,
  HEADER_BYTES,
  INDEX_VERSION,
  KIND_IMPORT,
  KIND_REQUIRE,
  LISTING_BYTES,
  MAGIC,
  NONE,
  OUTCOME_ABSENT,
  OUTCOME_BUILTIN,
  OUTCOME_FILE,
  PATH_SLOT_BYTES,
  RESOLUTION_SLOT_BYTES,
  hashBytes,
  type ModuleFormat,
} from './index-layout.ts';
import { resolutionHash } from './index-writer.ts';

const S_IFMT = 0o170000;
const TYPES: Partial<Record<number, EntryType>> = {
  0o040000: 'directory',
  0o100000: 'file',
  0o120000: 'link',
};

export type EntryType = 'file' | 'directory' | 'link';

export interface ReadEntry {
  path: string;
  type: EntryType;
  offset: number;
  size: number;
  mtimeNs: bigint;
  mode: number;
  linkTarget: number | undefined;
  linkText: string;
  scope: number | undefined;
  format: ModuleFormat | undefined;
  flags: number;
}

export interface ReadResolution {
  directory: number;
  specifier: string;
  kind: 'import' | 'require';
  outcome: 'file' | 'builtin' | 'absent';
  file: number | undefined;
  text: string;
}

interface Section {
  at: number;
  count: number;
}

/** Reads an index in place. Strict: any number that points outside its section is an error. */
export class IndexReader {
  readonly #bytes: Buffer;
  readonly #entries: Section;
  readonly #paths: Section;
  readonly #listings: Section;
  readonly #resolutions: Section;
  readonly #strings: Section;
  readonly #imageBytes: number;

  /**
   * @param bytes the index member
   * @param imageBytes size of the whole archive
   * @throws ERR_WALLA_ARCHIVE_DAMAGED
   */
  constructor(bytes: Buffer, imageBytes: number) {
    this.#bytes = bytes;
    this.#imageBytes = imageBytes;
    check(bytes.length >= HEADER_BYTES, 'the index is shorter than its header');
    check(bytes.toString('latin1', 0, 8) === MAGIC, 'the index has another magic');
    check(bytes.readUInt32LE(8) === INDEX_VERSION, 'the index has another version');
    check(bytes.readUInt32LE(12) === HEADER_BYTES, 'the index has another header size');
    check(this.#u64(16) === bytes.length, 'the index is not as long as its header says');
    check(this.#u64(24) === imageBytes, 'the archive is not as long as its index says');
    this.#entries = this.#section(0, ENTRY_BYTES, HEADER_BYTES);
    this.#paths = this.#section(1, PATH_SLOT_BYTES, end(this.#entries, ENTRY_BYTES));
    this.#listings = this.#section(2, LISTING_BYTES, end(this.#paths, PATH_SLOT_BYTES));
    this.#resolutions = this.#section(3, RESOLUTION_SLOT_BYTES, end(this.#listings, LISTING_BYTES));
    this.#strings = this.#section(4, 1, end(this.#resolutions, RESOLUTION_SLOT_BYTES));
    check(isPowerOfTwo(this.#paths.count), 'the number of path slots is no power of two');
    check(
      isPowerOfTwo(this.#resolutions.count),
      'the number of resolution slots is no power of two',
    );
  }

  get entryCount(): number {
    return this.#entries.count;
  }

  entry(number: number): ReadEntry {
    check(number < this.#entries.count, `there is no entry ${number}`);
    const at = this.#entries.at + number * ENTRY_BYTES;
    const bytes = this.#bytes;
    const mode = bytes.readUInt32LE(at + 32);
    const type = TYPES[mode & S_IFMT];
    check(type !== undefined, `entry ${number} is of no known type`);
    const format = bytes.readUInt8(at + 60);
    check(format < FORMATS.length, `entry ${number} has no known format`);
    const entry = {
      path: this.#text(at),
      type,
      offset: this.#u64(at + 8),
      size: this.#u64(at + 16),
      mtimeNs: bytes.readBigInt64LE(at + 24),
      mode,
      linkTarget: this.#reference(at + 36),
      linkText: this.#text(at + 40),
      scope: this.#reference(at + 56),
      format: FORMATS[format],
      flags: bytes.readUInt8(at + 61),
    };
    check(
      type !== 'file' || entry.offset + entry.size <= this.#imageBytes,
      `the data of entry ${number} lies outside the archive`,
    );
    return entry;
  }

  *entries(): Generator<ReadEntry> {
    for (let number = 0; number < this.#entries.count; number++) yield this.entry(number);
  }

  /** Finds an entry by its path. */
  find(path: string): number | undefined {
    const key = Buffer.from(path);
    const hash = hashBytes(key);
    const { at, count } = this.#paths;
    for (let step = 0; step < count; step++) {
      const slot = at + (((hash & (count - 1)) + step) & (count - 1)) * PATH_SLOT_BYTES;
      const number = this.#bytes.readUInt32LE(slot + 4);
      if (number === NONE) return undefined;
      if (this.#bytes.readUInt32LE(slot) === hash && this.entry(number).path === path)
        return number;
    }
    return undefined;
  }

  /** Every path slot in order: its hash and entry, or undefined for an empty one. */
  *pathSlots(): Generator<{ hash: number; entry: number } | undefined> {
    for (let slot = 0; slot < this.#paths.count; slot++) {
      const at = this.#paths.at + slot * PATH_SLOT_BYTES;
      const entry = this.#reference(at + 4);
      yield entry === undefined ? undefined : { hash: this.#bytes.readUInt32LE(at), entry };
    }
  }

  /** Every resolution slot in order, with its hash, or undefined for an empty one. */
  *resolutionSlots(): Generator<{ hash: number; found: ReadResolution } | undefined> {
    for (let slot = 0; slot < this.#resolutions.count; slot++) {
      const at = this.#resolutions.at + slot * RESOLUTION_SLOT_BYTES;
      const found = this.#resolution(at);
      yield found === undefined ? undefined : { hash: this.#bytes.readUInt32LE(at), found };
    }
  }

  get listingCount(): number {
    return this.#listings.count;
  }

  /** Where the listing of an entry stands among all listing records. */
  listingPlace(number: number): { first: number; count: number } {
    const at = this.#entries.at + number * ENTRY_BYTES;
    return { first: this.#bytes.readUInt32LE(at + 48), count: this.#bytes.readUInt32LE(at + 52) };
  }

  listing(number: number): { name: string; entry: number | undefined; type: number }[] {
    const { first, count } = this.listingPlace(number);
    check(first + count <= this.#listings.count, `the listing of entry ${number} lies outside`);
    return Array.from({ length: count }, (_, i) => {
      const record = this.#listings.at + (first + i) * LISTING_BYTES;
      const type = this.#bytes.readUInt8(record + 12);
      return { name: this.#text(record), entry: this.#reference(record + 8), type };
    });
  }

  /** Looks up what Node.js answered for a specifier in a directory. */
  resolve(
    directory: number,
    specifier: string,
    kind: 'import' | 'require',
  ): ReadResolution | undefined {
    const hash = resolutionHash(
      directory,
      kind === 'import' ? KIND_IMPORT : KIND_REQUIRE,
      specifier,
    );
    const { at, count } = this.#resolutions;
    for (let step = 0; step < count; step++) {
      const slot = at + (((hash & (count - 1)) + step) & (count - 1)) * RESOLUTION_SLOT_BYTES;
      const found = this.#resolution(slot);
      if (found === undefined) return undefined;
      const same = found.directory === directory && found.specifier === specifier;
      if (same && found.kind === kind) return found;
    }
    return undefined;
  }

  *resolutions(): Generator<ReadResolution> {
    for (const slot of this.resolutionSlots()) if (slot !== undefined) yield slot.found;
  }

  #resolution(at: number): ReadResolution | undefined {
    const kind = this.#bytes.readUInt8(at + 16);
    if (kind === 0) return undefined;
    check(kind === KIND_IMPORT || kind === KIND_REQUIRE, 'a resolution is of no known kind');
    const outcome = OUTCOME_NAMES[this.#bytes.readUInt8(at + 17)];
    check(outcome !== undefined, 'a resolution has no known outcome');
    const directory = this.#reference(at + 4);
    check(directory !== undefined, 'a resolution has no directory');
    return {
      directory,
      specifier: this.#text(at + 8),
      kind: kind === KIND_IMPORT ? 'import' : 'require',
      outcome,
      file: this.#reference(at + 20),
      text: this.#text(at + 24),
    };
  }

  #section(number: number, recordBytes: number, after: number): Section {
    const at = this.#u64(32 + number * 16);
    const count = this.#u64(40 + number * 16);
    const fits = at % 8 === 0 && at >= after && at + count * recordBytes <= this.#bytes.length;
    check(fits, `section ${number} of the index lies outside it`);
    return { at, count };
  }

  #u64(at: number): number {
    return Number(this.#bytes.readBigUInt64LE(at));
  }

  #reference(at: number): number | undefined {
    const number = this.#bytes.readUInt32LE(at);
    if (number === NONE) return undefined;
    check(number < this.#entries.count, `a record names entry ${number}, which does not exist`);
    return number;
  }

  #text(at: number): string {
    const offset = this.#bytes.readUInt32LE(at);
    const bytes = this.#bytes.readUInt32LE(at + 4);
    check(offset + bytes <= this.#strings.count, 'a text lies outside the string table');
    const from = this.#strings.at + offset;
    const text = this.#bytes.toString('utf8', from, from + bytes);
    // Decoding replaces what is not UTF-8: two different names would then look the same.
    const exact = !text.includes('\ufffd') || isUtf8(this.#bytes.subarray(from, from + bytes));
    check(exact, 'a text is not UTF-8');
    return text;
  }
}

const OUTCOME_NAMES: Partial<Record<number, ReadResolution['outcome']>> = {
  [OUTCOME_FILE]: 'file',
  [OUTCOME_BUILTIN]: 'builtin',
  [OUTCOME_ABSENT]: 'absent',
};

function end(section: Section, recordBytes: number): number {
  return section.at + section.count * recordBytes;
}

function isPowerOfTwo(count: number): boolean {
  return count > 0 && Number.isInteger(Math.log2(count));
}

function check(condition: boolean, message: string): asserts condition {
  if (!condition) throw new WallaError('ERR_WALLA_ARCHIVE_DAMAGED', message);
}
