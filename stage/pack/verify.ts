import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdtemp, open, rm, type FileHandle } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createWriteStream } from 'node:fs';
import { pipeline } from 'node:stream/promises';
import { createGunzip } from 'node:zlib';
import { WallaError } from '../errors.ts';
import { FLAG_COMPLETE } from '../format/index-layout.ts';
import { compareBytes } from '../format/index-writer.ts';
import type { IndexReader, ReadEntry } from '../format/index-reader.ts';
import type { Manifest } from '../format/manifest.ts';
import {
  BLOCK_BYTES,
  TRAILER_BYTES,
  decodeHeader,
  decodePax,
  roundUp,
} from '../format/tar-header.ts';
import { openArchive, readAt } from './archive-reader.ts';
import { isCode } from './source-tree.ts';

/**
 * Checks everything an archive says about itself: the manifest's digest, the body's digest, every
 * number of the index, and each tar header against the index. Reads compressed archives too.
 * @throws ERR_WALLA_ARCHIVE_DAMAGED, ERR_WALLA_ARCHIVE_FORMAT, ERR_WALLA_ARCHIVE_MISSING
 */
export async function verifyArchive(file: string): Promise<{ manifest: Manifest; bytes: number }> {
  if (!(await isGzip(file))) return verifyPlain(file);
  const directory = await mkdtemp(join(tmpdir(), 'walla-verify-'));
  try {
    const plain = join(directory, 'archive');
    await gunzip(file, plain);
    return await verifyPlain(plain);
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

async function isGzip(file: string): Promise<boolean> {
  let handle: FileHandle;
  try {
    handle = await open(file, 'r');
  } catch {
    // verifyPlain says why.
    return false;
  }
  try {
    return (await readAt(handle, 0, 2)).equals(Buffer.of(0x1f, 0x8b));
  } finally {
    await handle.close();
  }
}

async function gunzip(file: string, target: string): Promise<void> {
  try {
    await pipeline(createReadStream(file), createGunzip(), createWriteStream(target));
  } catch (error) {
    if (isCode(error, 'ENOSPC', 'EACCES')) throw error;
    const reason = error instanceof Error ? error.message : String(error);
    throw damaged(`${file} cannot be unpacked: ${reason}`);
  }
}

async function verifyPlain(file: string): Promise<{ manifest: Manifest; bytes: number }> {
  const { handle, bytes, manifest, index } = await openArchive(file);
  try {
    const { offset, sha256 } = manifest.body;
    const found = await digest(file, offset);
    if (found !== sha256) throw damaged(`the body of ${file} does not match its digest`);
    checkIndex(index, manifest);
    await checkHeaders(handle, index, offset);
    return { manifest, bytes };
  } finally {
    await handle.close();
  }
}

async function digest(file: string, from: number): Promise<string> {
  const hash = createHash('sha256');
  const stream = createReadStream(file, { start: from, highWaterMark: 1024 * 1024 });
  for await (const chunk of stream as AsyncIterable<Buffer>) hash.update(chunk);
  return hash.digest('hex');
}

/** Reading each record checks its numbers; lookups must lead back to the record. */
function checkIndex(index: IndexReader, manifest: Manifest): void {
  let before: string | undefined;
  for (let number = 0; number < index.entryCount; number++) {
    const { path, type, flags } = index.entry(number);
    if (before !== undefined && compareBytes(before, path) >= 0) {
      throw damaged(`the entries are not sorted at ${path}`);
    }
    before = path;
    if (index.find(path) !== number) throw damaged(`the path slots do not lead to ${path}`);
    if (type === 'directory' && flags & FLAG_COMPLETE) index.listing(number);
  }
  let resolutions = 0;
  for (const { directory, specifier, kind } of index.resolutions()) {
    resolutions += 1;
    if (index.resolve(directory, specifier, kind) === undefined) {
      throw damaged(`the resolution slots do not lead to ${specifier}`);
    }
  }
  const { counts, entries } = manifest;
  const packed = counts.files + counts.directories + counts.links;
  if (packed !== index.entryCount || counts.resolutions !== resolutions) {
    throw damaged('manifest and index disagree about their counts');
  }
  for (const entry of entries) {
    if (index.find(entry) === undefined) throw damaged(`the program ${entry} is not packed`);
  }
}

/** Walks the tar file as any tar reader would and compares what it finds with the index. */
async function checkHeaders(
  handle: FileHandle,
  index: IndexReader,
  bodyOffset: number,
): Promise<void> {
  let at = bodyOffset;
  const indexHeader = decodeHeader(await readAt(handle, at, BLOCK_BYTES));
  at += BLOCK_BYTES + roundUp(indexHeader?.size ?? 0);
  for (const entry of index.entries()) {
    if (entry.path === '') continue;
    const member = await readMember(handle, at);
    const expected = entry.type === 'directory' ? `${entry.path}/` : entry.path;
    const size = entry.type === 'file' ? entry.size : 0;
    if (member.name !== expected || member.size !== size || member.type !== TAR_TYPES[entry.type]) {
      throw damaged(`the tar header of ${entry.path} does not match the index`);
    }
    if (entry.type === 'file' && entry.offset !== member.dataOffset) {
      throw damaged(`the data of ${entry.path} is not where the index says`);
    }
    if (entry.type === 'link' && entry.linkText !== member.linkname) {
      throw damaged(`the link ${entry.path} does not match the index`);
    }
    at = member.dataOffset + roundUp(size);
  }
  const trailer = await readAt(handle, at, TRAILER_BYTES + 1);
  if (trailer.length !== TRAILER_BYTES || trailer.some((byte) => byte !== 0)) {
    throw damaged('the tar file does not end where its last member does');
  }
}

const TAR_TYPES: Record<ReadEntry['type'], string> = { file: '0', directory: '5', link: '2' };

interface Member {
  name: string;
  type: string;
  size: number;
  linkname: string;
  dataOffset: number;
}

async function readMember(handle: FileHandle, at: number): Promise<Member> {
  const header = decodeHeader(await readAt(handle, at, BLOCK_BYTES));
  if (header === undefined) throw damaged(`there is no tar header at byte ${at}`);
  if (header.type !== 'x') return { ...header, dataOffset: at + BLOCK_BYTES };
  const pax = decodePax(await readAt(handle, at + BLOCK_BYTES, header.size));
  const next = at + BLOCK_BYTES + roundUp(header.size);
  const own = decodeHeader(await readAt(handle, next, BLOCK_BYTES));
  if (own === undefined) throw damaged(`there is no tar header at byte ${next}`);
  return {
    ...own,
    name: pax.get('path') ?? own.name,
    linkname: pax.get('linkpath') ?? own.linkname,
    dataOffset: next + BLOCK_BYTES,
  };
}

function damaged(message: string): WallaError {
  return new WallaError('ERR_WALLA_ARCHIVE_DAMAGED', message);
}
