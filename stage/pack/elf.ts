/** Reads `length` bytes at `offset`; fewer at the end of the file. */
export type ReadAt = (offset: number, length: number) => Buffer;

export interface ElfLibraries {
  /** Names of the libraries it needs (DT_NEEDED). */
  needed: string[];
  /** Directories of DT_RUNPATH, or else DT_RPATH, as written: `$ORIGIN/../lib`. */
  runPaths: string[];
}

const PT_LOAD = 1;
const PT_DYNAMIC = 2;
const DT_NULL = 0;
const DT_NEEDED = 1;
const DT_STRTAB = 5;
const DT_RPATH = 15;
const DT_RUNPATH = 29;

export function isElf(start: Buffer): boolean {
  return start.length >= 4 && start.readUInt32BE(0) === 0x7f454c46;
}

/**
 * Finds what a shared object asks the dynamic linker for. Little-endian, 32 and 64 bits; anything
 * else, and anything malformed, has no libraries.
 */
export function elfLibraries(readAt: ReadAt): ElfLibraries {
  try {
    return readDynamic(readAt);
  } catch (error) {
    if (error instanceof RangeError) return { needed: [], runPaths: [] };
    throw error;
  }
}

interface Segment {
  type: number;
  offset: number;
  address: number;
  bytes: number;
}

function readDynamic(readAt: ReadAt): ElfLibraries {
  const header = readAt(0, 64);
  if (!isElf(header) || header.readUInt8(5) !== 1) return { needed: [], runPaths: [] };
  const wide = header.readUInt8(4) === 2;
  const segments = readSegments(readAt, header, wide);
  const dynamic = segments.find(({ type }) => type === PT_DYNAMIC);
  if (dynamic === undefined) return { needed: [], runPaths: [] };

  const tags = readTags(readAt(dynamic.offset, Math.min(dynamic.bytes, 1 << 20)), wide);
  const table = tags.find(([tag]) => tag === DT_STRTAB)?.[1];
  const holder = segments.find(
    ({ type, address, bytes }) =>
      type === PT_LOAD && table !== undefined && table >= address && table < address + bytes,
  );
  if (table === undefined || holder === undefined) return { needed: [], runPaths: [] };
  const text = (wanted: number) =>
    tags
      .filter(([tag]) => tag === wanted)
      .map(([, value]) => readText(readAt, holder.offset + table - holder.address + value));
  // A linker that finds DT_RUNPATH does not look at DT_RPATH.
  const paths = text(DT_RUNPATH).length > 0 ? text(DT_RUNPATH) : text(DT_RPATH);
  return { needed: text(DT_NEEDED), runPaths: paths.flatMap((path) => path.split(':')) };
}

function readSegments(readAt: ReadAt, header: Buffer, wide: boolean): Segment[] {
  const at = wide ? Number(header.readBigUInt64LE(32)) : header.readUInt32LE(28);
  const size = header.readUInt16LE(wide ? 54 : 42);
  const count = header.readUInt16LE(wide ? 56 : 44);
  const table = readAt(at, size * count);
  return Array.from({ length: count }, (_, i) => {
    const from = i * size;
    return wide
      ? {
          type: table.readUInt32LE(from),
          offset: Number(table.readBigUInt64LE(from + 8)),
          address: Number(table.readBigUInt64LE(from + 16)),
          bytes: Number(table.readBigUInt64LE(from + 32)),
        }
      : {
          type: table.readUInt32LE(from),
          offset: table.readUInt32LE(from + 4),
          address: table.readUInt32LE(from + 8),
          bytes: table.readUInt32LE(from + 16),
        };
  });
}

function readTags(section: Buffer, wide: boolean): [tag: number, value: number][] {
  const tags: [number, number][] = [];
  const step = wide ? 16 : 8;
  for (let at = 0; at + step <= section.length; at += step) {
    const tag = wide ? Number(section.readBigInt64LE(at)) : section.readInt32LE(at);
    if (tag === DT_NULL) break;
    tags.push([tag, wide ? Number(section.readBigUInt64LE(at + 8)) : section.readUInt32LE(at + 4)]);
  }
  return tags;
}

function readText(readAt: ReadAt, offset: number): string {
  const bytes = readAt(offset, 4096);
  const end = bytes.indexOf(0);
  return bytes.toString('utf8', 0, end === -1 ? bytes.length : end);
}
