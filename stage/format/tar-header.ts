import { WallaError } from '../errors.ts';

export const BLOCK_BYTES = 512;
/** Two zero blocks end a tar file. */
export const TRAILER_BYTES = 1024;

/** One member of a tar file, as far as its header is concerned. */
export interface TarMember {
  name: string;
  type: 'file' | 'directory' | 'symlink';
  /** Permission bits. */
  mode: number;
  /** Bytes of data; 0 for directories and links. */
  size: number;
  /** Modification time in whole seconds since the epoch. */
  mtimeSeconds: number;
  linkname?: string;
}

/** Rounds up to whole tar blocks. */
export function roundUp(bytes: number): number {
  return Math.ceil(bytes / BLOCK_BYTES) * BLOCK_BYTES;
}

/**
 * Fields that go into a pax header because ustar has no room for them, or undefined when ustar
 * will do. tar-stream adds `path` and `linkpath` to them by itself.
 */
export function paxFields(member: TarMember): Record<string, string> | undefined {
  const { name, linkname, mtimeSeconds } = member;
  if (!fitsMtime(mtimeSeconds)) return { mtime: String(mtimeSeconds) };
  return fitsName(name) && (linkname === undefined || fitsName(linkname)) ? undefined : {};
}

/** tar-stream keeps times in 32 bits and writes negative ones as nonsense. */
export function fitsMtime(seconds: number): boolean {
  return seconds >= 0 && seconds < 2 ** 31;
}

/** The ustar prefix field is not used: readers disagree about it for directories. */
function fitsName(name: string): boolean {
  return Buffer.byteLength(name) === name.length && name.length <= 100;
}

/** Bytes in front of a member's data: its header and, where one is needed, its pax header. */
export function headerBytes(member: TarMember): number {
  const fields = paxFields(member);
  if (fields === undefined) return BLOCK_BYTES;
  let records = paxRecordBytes('path', member.name);
  if (member.linkname !== undefined) records += paxRecordBytes('linkpath', member.linkname);
  for (const [key, value] of Object.entries(fields)) records += paxRecordBytes(key, value);
  return BLOCK_BYTES + roundUp(records) + BLOCK_BYTES;
}

/** A record counts its own length, digits included. */
function paxRecordBytes(key: string, value: string): number {
  const rest = Buffer.byteLength(` ${key}=${value}\n`);
  let digits = String(rest).length;
  if (String(rest + digits).length > digits) digits += 1;
  return rest + digits;
}

/** What a header at the front of an archive says. */
export interface PlainHeader {
  name: string;
  size: number;
  /** Type flag: '0' file, '5' directory, '2' symbolic link, 'x' pax header. */
  type: string;
  linkname: string;
  mode: number;
  mtimeSeconds: number;
  /** Owner, group and device, which no member of an archive has: 0 and '' then. */
  rest: (number | string)[];
}

/**
 * Decodes one ustar header block.
 * @returns undefined when the block is no ustar header (wrong magic or checksum)
 */
export function decodeHeader(block: Buffer): PlainHeader | undefined {
  if (block.length < BLOCK_BYTES || block.toString('latin1', 257, 262) !== 'ustar')
    return undefined;
  let sum = 8 * 32;
  for (let i = 0; i < BLOCK_BYTES; i++) if (i < 148 || i >= 156) sum += block[i] ?? 0;
  if (sum !== octal(block, 148, 8)) return undefined;
  const prefix = text(block, 345, 155);
  return {
    name: (prefix === '' ? '' : `${prefix}/`) + text(block, 0, 100),
    size: size(block),
    type: block.toString('latin1', 156, 157),
    linkname: text(block, 157, 100),
    mode: octal(block, 100, 8),
    mtimeSeconds: octal(block, 136, 12),
    rest: [
      ...[108, 116, 329, 337].map((field) => octal(block, field, 8)),
      ...[265, 297].map((field) => text(block, field, 32)),
    ],
  };
}

function text(block: Buffer, offset: number, bytes: number): string {
  const field = block.subarray(offset, offset + bytes);
  const end = field.indexOf(0);
  return field.toString('utf8', 0, end === -1 ? bytes : end);
}

function octal(block: Buffer, offset: number, bytes: number): number {
  return Number.parseInt(block.toString('latin1', offset, offset + bytes).trim(), 8);
}

/** Sizes of 8 GiB and more are binary, marked by the first bit. */
function size(block: Buffer): number {
  if (block[124] !== 0x80) return octal(block, 124, 12);
  return Number(block.readBigUInt64BE(128));
}

/**
 * Decodes the records of a pax header.
 * @returns undefined when they are not well formed, or one is there twice
 */
export function decodePax(bytes: Buffer): Map<string, string> | undefined {
  const fields = new Map<string, string>();
  for (let at = 0; at < bytes.length;) {
    const space = bytes.indexOf(0x20, at);
    const length = space === -1 ? NaN : Number(bytes.toString('latin1', at, space));
    const end = at + length;
    if (!Number.isInteger(length) || end > bytes.length || end <= space || bytes[end - 1] !== 0x0a)
      return undefined;
    const record = bytes.toString('utf8', space + 1, end - 1);
    const equals = record.indexOf('=');
    const key = record.slice(0, equals);
    if (equals === -1 || fields.has(key)) return undefined;
    fields.set(key, record.slice(equals + 1));
    at = end;
  }
  return fields;
}

/**
 * Checks the header of one of the two leading members.
 * @returns size of the member
 */
export function leadingMember(block: Buffer, name: string): number {
  if (block.length < BLOCK_BYTES) {
    throw new WallaError('ERR_WALLA_ARCHIVE_DAMAGED', `the file ends before ${name}`);
  }
  const header = decodeHeader(block);
  if (header?.name !== name) {
    throw new WallaError('ERR_WALLA_ARCHIVE_FORMAT', `not a walla archive: there is no ${name}`);
  }
  return header.size;
}
