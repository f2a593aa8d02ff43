/**
 * Makes archives that nobody honest would: any member, any index, any manifest, all digests right. The
 * author of an archive can do all this.
 */
import { createHash } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { FLAG_COMPLETE, INDEX_NAME, MANIFEST_NAME } from '../../stage/format/index-layout.ts';
import {
  compareBytes,
  encodeIndex,
  placeData,
  type IndexEntry,
  type IndexResolution,
} from '../../stage/format/index-writer.ts';
import { encodeManifest, type Manifest } from '../../stage/format/manifest.ts';
import { roundUp } from '../../stage/format/tar-header.ts';
import { fingerprint } from '../../stage/pack/fingerprint.ts';
import { pieceDigestOf } from '../piece-digest-of.ts';

const TYPES = { file: 0o100000, directory: 0o040000, link: 0o120000 };

/** What is to stand in a tar header. */
export interface ForgedHeader {
  name: string | Buffer;
  type?: string;
  mode?: number;
  uid?: number;
  size?: number;
  mtimeSeconds?: number;
  linkname?: string;
}

export interface ForgedEntry extends Partial<IndexEntry> {
  path: string;
  kind: keyof typeof TYPES;
  data?: Buffer;
  /** Where the tar header is to differ from what the index says; null: no member at all. */
  header?: Partial<ForgedHeader> | null;
  /** A pax header in front, as raw records. */
  pax?: string;
}

export interface Forgery {
  entries: ForgedEntry[];
  resolutions?: IndexResolution[];
  /** Listings as they are given, not made from the entries. */
  keepListings?: boolean;
  /** Changes the index before it is placed and signed. */
  index?: (index: Buffer) => void;
  /** Changes the body, index included, before it is signed. */
  body?: (body: Buffer) => Buffer;
  manifest?: Partial<Manifest>;
}

export function tarHeader(header: ForgedHeader): Buffer {
  const block = Buffer.alloc(512);
  const octal = (value: number, at: number, bytes: number) =>
    block.write(value.toString(8).padStart(bytes - 1, '0'), at);
  const { name, type = '0', mode = 0o644, uid = 0, size = 0, mtimeSeconds = 0 } = header;
  if (typeof name === 'string') block.write(name, 0, 100);
  else name.copy(block, 0, 0, 100);
  octal(mode, 100, 8);
  octal(uid, 108, 8);
  octal(0, 116, 8);
  if (size < 8 ** 11) octal(size, 124, 12);
  else {
    block[124] = 0x80;
    block.writeBigUInt64BE(BigInt(size), 128);
  }
  octal(mtimeSeconds, 136, 12);
  block.write('        ', 148);
  block.write(type, 156);
  block.write(header.linkname ?? '', 157, 100);
  block.write('ustar\x0000', 257);
  octal(0, 329, 8);
  octal(0, 337, 8);
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
  return block;
}

function pad(data: Buffer): Buffer {
  return Buffer.concat([data, Buffer.alloc(roundUp(data.length) - data.length)]);
}

/** Pax records: each counts its own length. */
export function paxRecord(key: string, value: string): string {
  const rest = Buffer.byteLength(` ${key}=${value}\n`);
  let length = rest + String(rest).length;
  if (String(length).length > String(rest).length) length = rest + String(length).length;
  return `${length} ${key}=${value}\n`;
}

function membersOf(entry: ForgedEntry): Buffer[] {
  if (entry.path === '' || entry.header === null) return [];
  const { kind, path, data = Buffer.alloc(0) } = entry;
  const long = Buffer.byteLength(path) > 99 || /[^\x20-\x7e]/.test(path);
  const own = tarHeader({
    name: kind === 'directory' ? `${path}/` : path,
    type: { file: '0', directory: '5', link: '2' }[kind],
    mode: (entry.mode ?? 0o644) & 0o777,
    size: kind === 'file' ? data.length : 0,
    mtimeSeconds: Number((entry.mtimeNs ?? 0n) / 1_000_000_000n),
    ...(kind === 'link' ? { linkname: entry.linkText ?? '' } : {}),
    ...entry.header,
  });
  const records =
    entry.pax ?? (long ? paxRecord('path', kind === 'directory' ? `${path}/` : path) : '');
  const pax =
    records === ''
      ? []
      : [
          tarHeader({ name: 'PaxHeader', type: 'x', size: Buffer.byteLength(records) }),
          pad(Buffer.from(records)),
        ];
  return [...pax, own, ...(kind === 'file' ? [pad(data)] : [])];
}

/** @returns the archive's bytes: all digests are right, whatever they are digests of */
export function forge(forgery: Forgery): Buffer {
  const forged = forgery.entries.map((entry): ForgedEntry & IndexEntry => ({
    mtimeNs: 0n,
    flags: entry.kind === 'directory' ? FLAG_COMPLETE : 0,
    ...entry,
    size: entry.size ?? entry.data?.length ?? 0,
    mode: TYPES[entry.kind] | (entry.mode ?? 0o644),
  }));
  forged.sort((a, b) => compareBytes(a.path, b.path));
  if (!forgery.keepListings) for (const entry of forged) addListing(entry, forged);
  const index = encodeIndex(forged, forgery.resolutions ?? []).bytes;
  forgery.index?.(index);
  const members = forged.map(membersOf);
  const bytesOf = (buffers: Buffer[]) => buffers.reduce((sum, { length }) => sum + length, 0);
  const fields = manifestFields(forged, forgery);
  const bodyBytes = 512 + roundUp(index.length) + bytesOf(members.flat()) + 1024;
  const bodyOffset = 512 + encodeManifest(fields, bodyBytes).bytes.length;
  let at = bodyOffset + 512 + roundUp(index.length);
  const offsets = forged.map((entry, i) => {
    const own = members[i] ?? [];
    const end = at + bytesOf(own);
    at = end;
    return entry.kind === 'file' ? end - (own.at(-1)?.length ?? 0) : 0;
  });
  placeData(index, offsets, bodyOffset + bodyBytes);
  const header = tarHeader({ name: INDEX_NAME, size: index.length });
  const body = Buffer.concat([header, pad(index), ...members.flat(), Buffer.alloc(1024)]);
  const changed = forgery.body?.(body) ?? body;
  if (changed.length !== body.length)
    changed.writeBigUInt64LE(BigInt(bodyOffset + changed.length), 512 + 24);
  return sign(fields, changed);
}

function addListing(directory: IndexEntry & ForgedEntry, entries: ForgedEntry[]): void {
  if (directory.kind !== 'directory' || directory.listing) return;
  const prefix = directory.path === '' ? '' : `${directory.path}/`;
  directory.listing = entries
    .filter(({ path }) => path !== '' && path.startsWith(prefix))
    .map(({ path, kind }) => ({
      name: path.slice(prefix.length),
      type: { file: 8, directory: 4, link: 10 }[kind],
    }))
    .filter(({ name }) => name !== '' && !name.includes('/'));
}

function manifestFields(entries: IndexEntry[], { resolutions = [], manifest }: Forgery) {
  const count = (type: number) => entries.filter(({ mode }) => (mode & 0o170000) === type).length;
  const files = entries.filter(({ mode }) => (mode & 0o170000) === TYPES.file);
  return {
    walla: '0.1.0',
    root: '/app',
    entries: ['app.mjs'],
    platform: process.platform,
    arch: process.arch,
    libc: 'glibc',
    node: process.version,
    abi: process.versions.modules,
    conditions: [],
    preserveSymlinks: false,
    counts: {
      files: files.length,
      directories: count(TYPES.directory),
      links: count(TYPES.link),
      natives: files.filter(({ flags }) => flags & 1).length,
      resolutions: resolutions.length,
      absent: resolutions.filter(({ outcome }) => outcome === 'absent').length,
    },
    dataBytes: files.reduce((sum, { size }) => sum + size, 0),
    fingerprint: fingerprint(entries),
    ...manifest,
  };
}

function sign(fields: Parameters<typeof encodeManifest>[0], body: Buffer): Buffer {
  const { bytes } = encodeManifest(fields, body.length, pieceDigestOf(body));
  return Buffer.concat([tarHeader({ name: MANIFEST_NAME, size: bytes.length }), bytes, body]);
}

/** Gives changed bytes of an archive the digests that belong to them, where its manifest still can be read. */
export function signAgain(archive: Buffer): Buffer {
  try {
    const bytes = parseInt(archive.toString('latin1', 124, 136), 8);
    const fields = JSON.parse(archive.toString('utf8', 512, 512 + bytes)) as Manifest;
    return sign(fields, archive.subarray(fields.body.offset));
  } catch {
    return archive;
  }
}

/** Gives an archive another manifest of the same size, signed. */
export function withManifest(archive: Buffer, change: (manifest: Manifest) => void): Buffer {
  const bytes = parseInt(archive.toString('latin1', 124, 136), 8);
  const manifest = JSON.parse(archive.toString('utf8', 512, 512 + bytes)) as Manifest;
  change(manifest);
  const member = (sha256: string): Buffer => {
    const text = JSON.stringify({ ...manifest, sha256 });
    return Buffer.from(`${text.padEnd(bytes - 1)}\n`);
  };
  const sha256 = createHash('sha256')
    .update(member('0'.repeat(64)))
    .digest('hex');
  const changed = Buffer.from(archive);
  member(sha256).copy(changed, 512);
  return changed;
}

/** An application with its forged archive: `app.mjs`, `package.json` and what is added. */
export function forgeApp(extra: ForgedEntry[], more: Partial<Forgery> = {}): Buffer {
  return forge({
    entries: [
      { path: '', kind: 'directory', mode: 0o755 },
      {
        path: 'app.mjs',
        kind: 'file',
        data: Buffer.from("console.log('ran');\n"),
        format: 'module',
      },
      ...extra,
    ],
    ...more,
  });
}

export function forgeFile(path: string, extra: ForgedEntry[], more: Partial<Forgery> = {}): string {
  writeFileSync(path, forgeApp(extra, more));
  return path;
}
