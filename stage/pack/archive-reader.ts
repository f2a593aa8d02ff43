import { constants, createReadStream } from 'node:fs';
import { open, type FileHandle } from 'node:fs/promises';
import { WallaError } from '../errors.ts';
import { INDEX_NAME, MANIFEST_NAME } from '../format/index-layout.ts';
import { IndexReader } from '../format/index-reader.ts';
import { decodeManifest, type Manifest } from '../format/manifest.ts';
import { PieceDigest } from '../format/piece-digest.ts';
import { BLOCK_BYTES, leadingMember, roundUp } from '../format/tar-header.ts';
import { isCode } from './source-tree.ts';

/** Far above any real manifest or index: a sparse file can claim any size without taking space. */
const MANIFEST_LIMIT_BYTES = 16 * 1024 * 1024;
const INDEX_LIMIT_BYTES = 1024 * 1024 * 1024;

export interface OpenArchive {
  handle: FileHandle;
  bytes: number;
  /** When it was written, by the clock of its file system. */
  mtimeNs: bigint;
  manifest: Manifest;
  index: IndexReader;
}

/** Reads the manifest of an archive and nothing else. */
export async function readManifest(file: string): Promise<Manifest> {
  const handle = await openFile(file);
  try {
    return await manifestOf(handle, file);
  } finally {
    await handle.close();
  }
}

/** Opens an archive and checks manifest and index. The caller closes `handle`. */
export async function openArchive(file: string): Promise<OpenArchive> {
  const handle = await openFile(file);
  try {
    const { size, mtimeNs } = await handle.stat({ bigint: true });
    const bytes = Number(size);
    const manifest = await manifestOf(handle, file);
    const { offset, bytes: bodyBytes } = manifest.body;
    if (offset + bodyBytes !== bytes) {
      throw damaged(`${file} has ${bytes} bytes, its manifest says ${offset + bodyBytes}`);
    }
    const header = await readAt(handle, offset, BLOCK_BYTES);
    const indexBytes = leadingMember(header, INDEX_NAME);
    if (!(indexBytes <= INDEX_LIMIT_BYTES))
      throw damaged(`${file} has an index of ${indexBytes} bytes`);
    if (offset + BLOCK_BYTES + indexBytes > bytes) throw damaged(`${file} ends inside its index`);
    const index = new IndexReader(await readAt(handle, offset + BLOCK_BYTES, indexBytes), bytes);
    return { handle, bytes, mtimeNs, manifest, index };
  } catch (error) {
    await handle.close();
    throw error;
  }
}

async function manifestOf(handle: FileHandle, file: string): Promise<Manifest> {
  const header = await readAt(handle, 0, BLOCK_BYTES);
  if (header.length >= 2 && header[0] === 0x1f && header[1] === 0x8b) {
    throw new WallaError('ERR_WALLA_ARCHIVE_FORMAT', `${file} is compressed`, {
      hint: `unpack it first: gunzip -k ${file}`,
    });
  }
  const size = leadingMember(header, MANIFEST_NAME);
  if (!(size <= MANIFEST_LIMIT_BYTES)) throw damaged(`${file} has a manifest of ${size} bytes`);
  const member = await readAt(handle, BLOCK_BYTES, size);
  if (member.length < size) throw damaged(`${file} ends inside its manifest`);
  const manifest = decodeManifest(member);
  if (manifest.body.offset !== BLOCK_BYTES + roundUp(size)) {
    throw damaged(`the manifest of ${file} names another place for the body`);
  }
  return manifest;
}

/** Opens what must be a file. The caller closes it. */
export async function openFile(file: string): Promise<FileHandle> {
  let handle: FileHandle;
  try {
    // O_NONBLOCK: opening a FIFO would wait for a writer. It changes nothing for a file.
    handle = await open(file, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch (error) {
    if (isCode(error, 'ENOENT', 'ENOTDIR')) {
      throw new WallaError('ERR_WALLA_ARCHIVE_MISSING', `there is no archive ${file}`);
    }
    const reason = error instanceof Error ? error.message : String(error);
    throw new WallaError('ERR_WALLA_UNREADABLE', `cannot read ${file}: ${reason}`, {
      cause: error,
    });
  }
  if ((await handle.stat()).isFile()) return handle;
  await handle.close();
  throw new WallaError('ERR_WALLA_ARCHIVE_FORMAT', `${file} is not a file`);
}

/**
 * Digest of the pieces of a file from an offset to its end, in hex (piece-digest.ts).
 * @param onBytes told how many bytes are done
 */
export async function digestFrom(
  file: string,
  from: number,
  onBytes?: (done: number) => void,
): Promise<string> {
  const digest = new PieceDigest();
  const stream = createReadStream(file, { start: from, highWaterMark: 1024 * 1024 });
  let done = 0;
  for await (const chunk of stream as AsyncIterable<Buffer>) {
    digest.update(chunk);
    onBytes?.((done += chunk.length));
  }
  return digest.finish();
}

/** Reads up to `length` bytes at an offset; fewer only at the end of the file. */
export async function readAt(handle: FileHandle, offset: number, length: number): Promise<Buffer> {
  const buffer = Buffer.alloc(length);
  let done = 0;
  while (done < length) {
    const { bytesRead } = await handle.read(buffer, done, length - done, offset + done);
    if (bytesRead === 0) break;
    done += bytesRead;
  }
  return buffer.subarray(0, done);
}

export function damaged(message: string): WallaError {
  return new WallaError('ERR_WALLA_ARCHIVE_DAMAGED', message);
}
