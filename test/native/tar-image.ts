/** Writes a tiny archive by hand, byte for byte as docs/format.md has it, for tests of its readers. */
import {
  ENTRY_BYTES,
  FLAG_COMPLETE,
  HEADER_BYTES,
  INDEX_NAME,
  LISTING_BYTES,
  MAGIC,
  MANIFEST_NAME,
  NONE,
  PATH_SLOT_BYTES,
  RESOLUTION_SLOT_BYTES,
  hashBytes,
} from '../../stage/format/index-layout.ts';

export interface ImageNode {
  path: string;
  kind: 'file' | 'directory' | 'link';
  data?: Buffer;
  flags?: number;
  format?: number;
  mtimeNs?: bigint;
  mode?: number;
  /** Links: target text, and path of the packed target. */
  text?: string;
  target?: string;
  /** Directories: children that are listed but not packed. */
  unpacked?: [name: string, type: number][];
}

export interface ImageRule {
  directory: string;
  specifier: string;
  kind: number;
  outcome: number;
  target?: string;
  text?: string;
}

const TYPES = { file: 0o100000, directory: 0o040000, link: 0o120000 };
const D_TYPES = { file: 8, directory: 4, link: 10 };

const roundUp = (bytes: number, unit: number) => Math.ceil(bytes / unit) * unit;

function tarHeader(name: string, bytes: number): Buffer {
  const header = Buffer.alloc(512);
  header.write(name, 0);
  header.write('0000644\0', 100);
  header.write(bytes.toString(8).padStart(11, '0'), 124);
  header.write('        ', 148);
  header.write('0', 156);
  header.write('ustar\x0000', 257);
  const sum = header.reduce((total, byte) => total + byte, 0);
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
  return header;
}

class Strings {
  readonly parts: Buffer[] = [];
  bytes = 0;

  /** Writes offset and length of a text at `at`. */
  put(record: Buffer, at: number, text: string): void {
    const bytes = Buffer.from(text);
    record.writeUInt32LE(this.bytes, at);
    record.writeUInt32LE(bytes.length, at + 4);
    this.parts.push(bytes);
    this.bytes += bytes.length;
  }
}

function slotCount(used: number): number {
  let count = 2;
  while (count < used * 2) count *= 2;
  return count;
}

function children(
  nodes: ImageNode[],
  directory: ImageNode,
): [name: string, entry: number, type: number][] {
  const prefix = directory.path === '' ? '' : `${directory.path}/`;
  const packed = nodes.flatMap((node, entry): [string, number, number][] => {
    const name = node.path.slice(prefix.length);
    const inside = node.path.startsWith(prefix) && name !== '' && !name.includes('/');
    return inside ? [[name, entry, D_TYPES[node.kind]]] : [];
  });
  const listed = (directory.unpacked ?? []).map(([name, type]): [string, number, number] => [
    name,
    NONE,
    type,
  ]);
  return [...packed, ...listed].sort(([a], [b]) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
}

function buildIndex(
  nodes: ImageNode[],
  rules: ImageRule[],
  dataStart: number,
  imageBytes: number,
): Buffer {
  const strings = new Strings();
  const numbers = new Map(nodes.map(({ path }, number) => [path, number]));
  const numberOf = (path: string | undefined) =>
    path === undefined ? NONE : (numbers.get(path) ?? NONE);
  const listings: Buffer[] = [];
  let data = dataStart;
  const entries = nodes.map((node) => {
    const record = Buffer.alloc(ENTRY_BYTES);
    const size = node.data?.length ?? 0;
    strings.put(record, 0, node.path);
    record.writeBigUInt64LE(BigInt(node.kind === 'file' ? data : 0), 8);
    record.writeBigUInt64LE(BigInt(size), 16);
    record.writeBigInt64LE(node.mtimeNs ?? 0n, 24);
    record.writeUInt32LE(TYPES[node.kind] | (node.mode ?? 0o644), 32);
    record.writeUInt32LE(numberOf(node.target), 36);
    strings.put(record, 40, node.text ?? '');
    const listed = node.kind === 'directory' ? children(nodes, node) : [];
    record.writeUInt32LE(listings.length, 48);
    record.writeUInt32LE(listed.length, 52);
    for (const [name, entry, type] of listed) {
      const listing = Buffer.alloc(LISTING_BYTES);
      strings.put(listing, 0, name);
      listing.writeUInt32LE(entry, 8);
      listing.writeUInt8(type, 12);
      listings.push(listing);
    }
    let scope = node.path;
    do scope = scope.slice(0, Math.max(0, scope.lastIndexOf('/')));
    while (scope !== '' && !numbers.has(`${scope}/package.json`));
    record.writeUInt32LE(numberOf(scope === '' ? 'package.json' : `${scope}/package.json`), 56);
    record.writeUInt8(node.format ?? 0, 60);
    record.writeUInt8(node.flags ?? (node.kind === 'directory' ? FLAG_COMPLETE : 0), 61);
    data += roundUp(size, 512);
    return record;
  });

  const paths = Buffer.alloc(slotCount(nodes.length) * PATH_SLOT_BYTES, 0xff);
  const pathMask = paths.length / PATH_SLOT_BYTES - 1;
  nodes.forEach(({ path }, number) => {
    const hash = hashBytes(Buffer.from(path));
    let slot = hash & pathMask;
    while (paths.readUInt32LE(slot * PATH_SLOT_BYTES + 4) !== NONE) slot = (slot + 1) & pathMask;
    paths.writeUInt32LE(hash, slot * PATH_SLOT_BYTES);
    paths.writeUInt32LE(number, slot * PATH_SLOT_BYTES + 4);
  });

  const resolutions = Buffer.alloc(slotCount(rules.length) * RESOLUTION_SLOT_BYTES);
  const ruleMask = resolutions.length / RESOLUTION_SLOT_BYTES - 1;
  for (const rule of rules) {
    const key = Buffer.alloc(5);
    key.writeUInt32LE(numberOf(rule.directory), 0);
    key.writeUInt8(rule.kind, 4);
    const hash = hashBytes(Buffer.concat([key, Buffer.from(rule.specifier)]));
    let slot = hash & ruleMask;
    while (resolutions[slot * RESOLUTION_SLOT_BYTES + 16] !== 0) slot = (slot + 1) & ruleMask;
    const record = resolutions.subarray(slot * RESOLUTION_SLOT_BYTES);
    record.writeUInt32LE(hash, 0);
    record.writeUInt32LE(numberOf(rule.directory), 4);
    strings.put(record, 8, rule.specifier);
    record.writeUInt8(rule.kind, 16);
    record.writeUInt8(rule.outcome, 17);
    record.writeUInt32LE(numberOf(rule.target), 20);
    strings.put(record, 24, rule.text ?? '');
  }

  const sections: [Buffer, number][] = [
    [Buffer.concat(entries), ENTRY_BYTES],
    [paths, PATH_SLOT_BYTES],
    [Buffer.concat(listings), LISTING_BYTES],
    [resolutions, RESOLUTION_SLOT_BYTES],
    [Buffer.concat([...strings.parts, Buffer.alloc(-strings.bytes & 7)]), 1],
  ];
  const header = Buffer.alloc(HEADER_BYTES);
  header.write(MAGIC);
  header.writeUInt32LE(1, 8);
  header.writeUInt32LE(HEADER_BYTES, 12);
  header.writeBigUInt64LE(BigInt(imageBytes), 24);
  let offset = HEADER_BYTES;
  sections.forEach(([section, recordBytes], i) => {
    header.writeBigUInt64LE(BigInt(offset), 32 + 16 * i);
    header.writeBigUInt64LE(BigInt(section.length / recordBytes), 40 + 16 * i);
    offset += section.length;
  });
  header.writeBigUInt64LE(BigInt(offset), 16);
  return Buffer.concat([header, ...sections.map(([section]) => section)]);
}

/** The whole archive. File data stands behind the index without tar headers, which no reader asks for. */
export function tarImage(nodes: ImageNode[], rules: ImageRule[] = []): Buffer {
  const sorted = [...nodes].sort((a, b) =>
    Buffer.compare(Buffer.from(a.path), Buffer.from(b.path)),
  );
  const manifest = Buffer.from('{"format":1}\n');
  const indexBytes = buildIndex(sorted, rules, 0, 0).length;
  const dataStart = 512 + roundUp(manifest.length, 512) + 512 + roundUp(indexBytes, 512);
  const padded = (data: Buffer) =>
    Buffer.concat([data, Buffer.alloc(roundUp(data.length, 512) - data.length)]);
  const data = Buffer.concat(sorted.map((node) => padded(node.data ?? Buffer.alloc(0))));
  const imageBytes = dataStart + data.length + 1024;
  const index = buildIndex(sorted, rules, dataStart, imageBytes);
  return Buffer.concat([
    tarHeader(MANIFEST_NAME, manifest.length),
    padded(manifest),
    tarHeader(INDEX_NAME, index.length),
    padded(index),
    data,
    Buffer.alloc(1024),
  ]);
}
