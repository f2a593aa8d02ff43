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
import { StringTable } from './string-table.ts';

/** One packed file, directory or symbolic link. Paths are relative to the root. */
export interface IndexEntry {
  path: string;
  /** `st_mode`, `st_size` and the modification time as `lstat` gives them. */
  mode: number;
  size: number;
  mtimeNs: bigint;
  flags: number;
  format?: ModuleFormat | undefined;
  /** Links: text of the link, and path of the final target where that is packed. */
  linkText?: string | undefined;
  linkTarget?: string | undefined;
  /** Directories: every child, sorted by name bytes. */
  listing?: ListingRecord[] | undefined;
  /** Path of the package.json that governs this file. */
  scope?: string | undefined;
}

export interface ListingRecord {
  name: string;
  /** `d_type` of dirent.h. */
  type: number;
}

/** One answer of Node.js. */
export interface IndexResolution {
  /** Path of the directory that holds the importing file. */
  directory: string;
  specifier: string;
  kind: 'import' | 'require';
  outcome: 'file' | 'builtin' | 'absent';
  /** Outcome file: its path. */
  file?: string | undefined;
  text: string;
}

export interface EncodedIndex {
  bytes: Buffer;
  /** Entry numbers by path. */
  numbers: Map<string, number>;
}

const SURROGATE = /[\ud800-\udfff]/;

/** Orders paths as the index and the tar file do: by their UTF-8 bytes. */
export function compareBytes(a: string, b: string): number {
  if (a === b) return 0;
  // UTF-16 and UTF-8 order alike but for surrogates.
  if (!SURROGATE.test(a) && !SURROGATE.test(b)) return a < b ? -1 : 1;
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}

/**
 * Encodes the index. Data offsets and the image's size are left zero, because they depend on the
 * size of the index: `placeData` fills them in.
 * @param entries sorted with `compareBytes`
 */
export function encodeIndex(entries: IndexEntry[], resolutions: IndexResolution[]): EncodedIndex {
  const numbers = new Map(entries.map((entry, number) => [entry.path, number]));
  const listingCount = entries.reduce((sum, entry) => sum + (entry.listing?.length ?? 0), 0);
  const pathSlots = slotCount(entries.length);
  const resolutionSlots = slotCount(resolutions.length);

  const entriesAt = HEADER_BYTES;
  const pathsAt = entriesAt + entries.length * ENTRY_BYTES;
  const listingsAt = pathsAt + pathSlots * PATH_SLOT_BYTES;
  const resolutionsAt = listingsAt + listingCount * LISTING_BYTES;
  const stringsAt = resolutionsAt + resolutionSlots * RESOLUTION_SLOT_BYTES;

  const table = Buffer.alloc(stringsAt);
  const strings = new StringTable();
  writeEntries(table, entriesAt, listingsAt, entries, numbers, strings);
  writePathSlots(table, pathsAt, pathSlots, entries);
  writeResolutions(table, resolutionsAt, resolutionSlots, resolutions, numbers, strings);

  const text = strings.bytes();
  const bytes = Buffer.concat([table, text, Buffer.alloc(-text.length & 7)]);
  bytes.write(MAGIC, 0, 'latin1');
  bytes.writeUInt32LE(INDEX_VERSION, 8);
  bytes.writeUInt32LE(HEADER_BYTES, 12);
  bytes.writeBigUInt64LE(BigInt(bytes.length), 16);
  const sections: [at: number, count: number][] = [
    [entriesAt, entries.length],
    [pathsAt, pathSlots],
    [listingsAt, listingCount],
    [resolutionsAt, resolutionSlots],
    [stringsAt, text.length],
  ];
  sections.forEach(([at, count], section) => {
    bytes.writeBigUInt64LE(BigInt(at), 32 + section * 16);
    bytes.writeBigUInt64LE(BigInt(count), 40 + section * 16);
  });
  return { bytes, numbers };
}

/**
 * Fills in what depends on where the index and the data lie in the tar file.
 * @param offsets data offset of each entry in the image, 0 for directories and links
 */
export function placeData(index: Buffer, offsets: number[], imageBytes: number): void {
  index.writeBigUInt64LE(BigInt(imageBytes), 24);
  offsets.forEach((offset, number) => {
    index.writeBigUInt64LE(BigInt(offset), HEADER_BYTES + number * ENTRY_BYTES + 8);
  });
}

/** A power of two of which `count` fills at most half. */
function slotCount(count: number): number {
  let slots = 2;
  while (slots < count * 2) slots *= 2;
  return slots;
}

function writeEntries(
  out: Buffer,
  entriesAt: number,
  listingsAt: number,
  entries: IndexEntry[],
  numbers: Map<string, number>,
  strings: StringTable,
): void {
  let listed = 0;
  entries.forEach((entry, number) => {
    const at = entriesAt + number * ENTRY_BYTES;
    const path = strings.add(entry.path);
    const link = strings.add(entry.linkText ?? '');
    out.writeUInt32LE(path.offset, at);
    out.writeUInt32LE(path.bytes, at + 4);
    out.writeBigUInt64LE(BigInt(entry.size), at + 16);
    out.writeBigInt64LE(entry.mtimeNs, at + 24);
    out.writeUInt32LE(entry.mode, at + 32);
    out.writeUInt32LE(numberOf(numbers, entry.linkTarget), at + 36);
    out.writeUInt32LE(link.offset, at + 40);
    out.writeUInt32LE(link.bytes, at + 44);
    out.writeUInt32LE(listed, at + 48);
    out.writeUInt32LE(entry.listing?.length ?? 0, at + 52);
    out.writeUInt32LE(numberOf(numbers, entry.scope), at + 56);
    out.writeUInt8(FORMATS.indexOf(entry.format), at + 60);
    out.writeUInt8(entry.flags, at + 61);
    const parent = entry.path === '' ? '' : `${entry.path}/`;
    for (const child of entry.listing ?? []) {
      const record = listingsAt + listed * LISTING_BYTES;
      const name = strings.add(child.name);
      out.writeUInt32LE(name.offset, record);
      out.writeUInt32LE(name.bytes, record + 4);
      out.writeUInt32LE(numberOf(numbers, parent + child.name), record + 8);
      out.writeUInt8(child.type, record + 12);
      listed += 1;
    }
  });
}

function writePathSlots(out: Buffer, at: number, slots: number, entries: IndexEntry[]): void {
  out.fill(0xff, at, at + slots * PATH_SLOT_BYTES);
  entries.forEach((entry, number) => {
    const hash = hashBytes(Buffer.from(entry.path));
    let slot = hash & (slots - 1);
    while (out.readUInt32LE(at + slot * PATH_SLOT_BYTES + 4) !== NONE) {
      slot = (slot + 1) & (slots - 1);
    }
    out.writeUInt32LE(hash, at + slot * PATH_SLOT_BYTES);
    out.writeUInt32LE(number, at + slot * PATH_SLOT_BYTES + 4);
  });
}

const OUTCOMES = { file: OUTCOME_FILE, builtin: OUTCOME_BUILTIN, absent: OUTCOME_ABSENT };

function writeResolutions(
  out: Buffer,
  at: number,
  slots: number,
  resolutions: IndexResolution[],
  numbers: Map<string, number>,
  strings: StringTable,
): void {
  for (const { directory, specifier, kind, outcome, file, text } of resolutions) {
    const parent = numberOf(numbers, directory);
    const kindNumber = kind === 'import' ? KIND_IMPORT : KIND_REQUIRE;
    const hash = resolutionHash(parent, kindNumber, specifier);
    let slot = hash & (slots - 1);
    while (out[at + slot * RESOLUTION_SLOT_BYTES + 16] !== 0) slot = (slot + 1) & (slots - 1);
    const record = at + slot * RESOLUTION_SLOT_BYTES;
    const name = strings.add(specifier);
    const note = strings.add(text);
    out.writeUInt32LE(hash, record);
    out.writeUInt32LE(parent, record + 4);
    out.writeUInt32LE(name.offset, record + 8);
    out.writeUInt32LE(name.bytes, record + 12);
    out.writeUInt8(kindNumber, record + 16);
    out.writeUInt8(OUTCOMES[outcome], record + 17);
    out.writeUInt32LE(numberOf(numbers, file), record + 20);
    out.writeUInt32LE(note.offset, record + 24);
    out.writeUInt32LE(note.bytes, record + 28);
  }
}

/** Hash of a resolution's key, as docs/format.md defines it. */
export function resolutionHash(directory: number, kind: number, specifier: string): number {
  const text = Buffer.from(specifier);
  const key = Buffer.alloc(5 + text.length);
  key.writeUInt32LE(directory, 0);
  key[4] = kind;
  text.copy(key, 5);
  return hashBytes(key);
}

function numberOf(numbers: Map<string, number>, path: string | undefined): number {
  return path === undefined ? NONE : (numbers.get(path) ?? NONE);
}
