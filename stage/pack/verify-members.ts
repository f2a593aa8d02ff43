import { isAscii, isUtf8 } from 'node:buffer';
import type { FileHandle } from 'node:fs/promises';
import {
  CODE_CACHE_NAME,
  FLAG_ASCII,
  FLAG_ELF,
  FLAG_UTF8,
  INDEX_NAME,
  MANIFEST_NAME,
} from '../format/index-layout.ts';
import { decodeCodeCaches } from '../format/code-cache.ts';
import type { Manifest } from '../format/manifest.ts';
import type { ReadEntry } from '../format/index-reader.ts';
import {
  BLOCK_BYTES,
  TRAILER_BYTES,
  decodeHeader,
  decodePax,
  fitsMtime,
  roundUp,
  type PlainHeader,
} from '../format/tar-header.ts';
import { formatName } from '../format-name.ts';
import { damaged, readAt } from './archive-reader.ts';
import { isElf } from './elf.ts';

/** The packer reads no larger file as a whole, so it says nothing about the content of one. */
const WHOLE_FILE_BYTES = 32 * 1024 * 1024;
const TAR_TYPES: Record<ReadEntry['type'], string> = { file: '0', directory: '5', link: '2' };
/** The fields of a pax header that an archive has. */
const PAX_FIELDS = new Set(['path', 'linkpath', 'mtime']);
const PAX_LIMIT_BYTES = 64 * 1024;

/**
 * Walks an archive as any tar reader would and compares every header, byte of padding and content flag
 * with the index, so that `tar tvf` and walla see the same files.
 * @param bytes size of the archive
 * @throws ERR_WALLA_ARCHIVE_DAMAGED
 */
export async function verifyMembers(
  handle: FileHandle,
  entries: ReadEntry[],
  { body, codeCache }: Manifest,
  bytes: number,
): Promise<void> {
  await checkOwn(handle, 0, MANIFEST_NAME);
  let at = await checkOwn(handle, body.offset, INDEX_NAME);
  if (codeCache) {
    const dataOffset = at + BLOCK_BYTES;
    at = await checkOwn(handle, at, CODE_CACHE_NAME, codeCache.bytes);
    if (body.offset + codeCache.offset !== dataOffset)
      throw damaged('the code caches are not where the manifest says');
    const { tag, caches } = decodeCodeCaches(await readAt(handle, dataOffset, codeCache.bytes));
    if (tag !== codeCache.tag || caches.length !== codeCache.count)
      throw damaged('the code caches are not those that the manifest names');
  }
  for (const entry of entries) {
    if (entry.path === '') continue;
    const member = await readMember(handle, at);
    checkHeader(member, entry);
    const size = entry.type === 'file' ? entry.size : 0;
    if (entry.type === 'file') await checkContent(handle, entry);
    await checkPadding(handle, member.dataOffset + size, formatName(entry.path));
    at = member.dataOffset + roundUp(size);
  }
  const trailer = await readAt(handle, at, TRAILER_BYTES + 1);
  if (at + TRAILER_BYTES !== bytes || trailer.some((byte) => byte !== 0))
    throw damaged('the tar file does not end where its last member does');
}

/** One of the members that walla adds, of so many bytes if they are given. Returns where the next header is. */
async function checkOwn(
  handle: FileHandle,
  at: number,
  name: string,
  bytes?: number,
): Promise<number> {
  const header = decodeHeader(await readAt(handle, at, BLOCK_BYTES));
  const plain =
    header?.name === name &&
    header.type === '0' &&
    header.size === (bytes ?? header.size) &&
    header.mode === 0o644 &&
    header.mtimeSeconds === 0 &&
    isNobodys(header);
  if (!plain) throw damaged(`the tar header of ${name} is not the one walla writes`);
  await checkPadding(handle, at + BLOCK_BYTES + header.size, name);
  return at + BLOCK_BYTES + roundUp(header.size);
}

interface Member extends PlainHeader {
  dataOffset: number;
}

async function readMember(handle: FileHandle, at: number): Promise<Member> {
  const header = await headerAt(handle, at);
  if (header.type !== 'x') return { ...header, dataOffset: at + BLOCK_BYTES };
  if (!(header.size <= PAX_LIMIT_BYTES) || !isNobodys(header))
    throw damaged(`the pax header at byte ${at} is not one walla writes`);
  const records = await readAt(handle, at + BLOCK_BYTES, header.size);
  const pax = decodePax(records);
  if (pax === undefined || [...pax.keys()].some((key) => !PAX_FIELDS.has(key)))
    throw damaged(`the pax header at byte ${at} has other fields than path, linkpath and mtime`);
  await checkPadding(handle, at + BLOCK_BYTES + header.size, 'a pax header');
  const next = at + BLOCK_BYTES + roundUp(header.size);
  const own = await headerAt(handle, next);
  if (own.type === 'x') throw damaged(`there are two pax headers in a row at byte ${at}`);
  const mtime = pax.get('mtime');
  return {
    ...own,
    name: pax.get('path') ?? own.name,
    linkname: pax.get('linkpath') ?? own.linkname,
    mtimeSeconds: mtime === undefined ? own.mtimeSeconds : Number(mtime),
    dataOffset: next + BLOCK_BYTES,
  };
}

async function headerAt(handle: FileHandle, at: number): Promise<PlainHeader> {
  const header = decodeHeader(await readAt(handle, at, BLOCK_BYTES));
  if (header === undefined) throw damaged(`there is no tar header at byte ${at}`);
  return header;
}

/** Hard links, devices, FIFOs and sparse files fail here, having other types; setuid bits as a mode. */
function checkHeader(member: Member, entry: ReadEntry): void {
  const { type, path, mode, mtimeNs, linkText, offset } = entry;
  const name = formatName(path);
  const expected = type === 'directory' ? `${path}/` : path;
  const size = type === 'file' ? entry.size : 0;
  if (member.name !== expected || member.size !== size || member.type !== TAR_TYPES[type])
    throw damaged(`the tar header of ${name} does not match the index`);
  if (member.mode !== (mode & 0o777))
    throw damaged(`${name} has mode ${member.mode.toString(8)} in its tar header`);
  const seconds = Number(mtimeNs / 1_000_000_000n);
  if (member.mtimeSeconds !== seconds && fitsMtime(seconds))
    throw damaged(`${name} has another modification time in its tar header`);
  if (member.linkname !== (type === 'link' ? linkText : ''))
    throw damaged(`the link ${name} does not match the index`);
  if (!isNobodys(member)) throw damaged(`${name} has an owner or a device in its tar header`);
  if (offset !== (type === 'file' ? member.dataOffset : 0))
    throw damaged(`the data of ${name} is not where the index says`);
}

function isNobodys({ rest }: PlainHeader): boolean {
  return rest.every((field) => field === 0 || field === '');
}

async function checkContent(handle: FileHandle, entry: ReadEntry): Promise<void> {
  const { path, offset, size, flags } = entry;
  const whole = size <= WHOLE_FILE_BYTES;
  const content = await readAt(handle, offset, whole ? size : BLOCK_BYTES);
  const right =
    ((flags & FLAG_ELF) !== 0) === isElf(content) &&
    ((flags & FLAG_ASCII) === 0 || (whole && isAscii(content))) &&
    ((flags & FLAG_UTF8) === 0 || (whole && isUtf8(content)));
  if (!right) throw damaged(`the content of ${formatName(path)} is not what its flags say`);
}

async function checkPadding(handle: FileHandle, end: number, name: string): Promise<void> {
  const padding = await readAt(handle, end, roundUp(end) - end);
  if (padding.some((byte) => byte !== 0)) throw damaged(`the padding behind ${name} is not empty`);
}
