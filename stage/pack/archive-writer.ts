import { closeSync, createReadStream, fstatSync, openSync, readSync } from 'node:fs';
import { open, rename, rm, type FileHandle } from 'node:fs/promises';
import { dirname } from 'node:path';
import * as tar from 'tar-stream';
import { WallaError } from '../errors.ts';
import { encodeCodeCaches, type CodeCaches } from '../format/code-cache.ts';
import { CODE_CACHE_NAME, INDEX_NAME, MANIFEST_NAME } from '../format/index-layout.ts';
import { encodeIndex, placeData, type IndexEntry } from '../format/index-writer.ts';
import {
  encodeManifest,
  type CodeCacheFields,
  type Manifest,
  type ManifestFields,
} from '../format/manifest.ts';
import { PieceDigest } from '../format/piece-digest.ts';
import {
  BLOCK_BYTES,
  TRAILER_BYTES,
  fitsMtime,
  headerBytes,
  paxFields,
  roundUp,
  type TarMember,
} from '../format/tar-header.ts';
import { makeDirectories } from '../make-directories.ts';
import type { Contents } from './contents.ts';
import { isCode, unreadable } from './source-tree.ts';

const WRITE_BYTES = 1024 * 1024;

export interface WriteOptions {
  /** Absolute path of the archive. */
  file: string;
  contents: Contents;
  manifest: ManifestFields;
  codeCaches?: (CodeCaches & Pick<CodeCacheFields, 'made'>) | undefined;
  onBytes?: ((done: number, total: number) => void) | undefined;
}

/**
 * Writes an archive aside and renames it into place, so that readers see a whole one or none.
 * Streams: no file of the tree is held in memory as a whole.
 */
export async function writeArchive(options: WriteOptions): Promise<Manifest> {
  const { file, contents } = options;
  const index = encodeIndex(contents.entries, contents.resolutions).bytes;
  const plan = planMembers(index, options);
  placeData(index, plan.offsets, plan.imageBytes);

  const temporary = `${file}.tmp-${process.pid}`;
  const handle = await openForWriting(file, temporary);
  try {
    const bodyDigest = await writeBody(handle, plan, options);
    const { bytes, manifest } = encodeManifest(plan.fields, plan.bodyBytes, bodyDigest);
    await handle.write(bytes, 0, bytes.length, BLOCK_BYTES);
    await handle.close();
    await rename(temporary, file);
    return manifest;
  } catch (error) {
    await handle.close().catch(() => undefined);
    await rm(temporary, { force: true });
    throw error;
  }
}

async function openForWriting(file: string, temporary: string): Promise<FileHandle> {
  try {
    makeDirectories(dirname(file));
    return await open(temporary, 'w');
  } catch (error) {
    if (isCode(error, 'ENOSPC', 'EDQUOT')) throw error;
    throw new WallaError('ERR_WALLA_PACK', `cannot write ${file}: ${(error as Error).message}`, {
      hint: 'name a file in a directory that you can write: walla pack ENTRY -o FILE',
      cause: error,
    });
  }
}

interface Plan {
  fields: ManifestFields;
  manifest: Buffer;
  /** Members of walla's own that stand before the files, behind the manifest. */
  own: { name: string; data: Buffer }[];
  bodyBytes: number;
  imageBytes: number;
  /** Data offset of each entry. */
  offsets: number[];
  members: { member: TarMember; entry: IndexEntry }[];
}

/** All offsets follow from names and sizes, so the index is complete before anything is written. */
function planMembers(index: Buffer, options: WriteOptions): Plan {
  const { entries } = options.contents;
  const own = [{ name: INDEX_NAME, data: index }];
  let { manifest: fields } = options;
  let at = BLOCK_BYTES + roundUp(index.length);
  if (options.codeCaches) {
    const { tag, made, caches } = options.codeCaches;
    const data = encodeCodeCaches({ tag, caches });
    own.push({ name: CODE_CACHE_NAME, data });
    const offset = at + BLOCK_BYTES;
    const count = caches.length;
    fields = { ...fields, codeCache: { tag, made, count, offset, bytes: data.length } };
    at = offset + roundUp(data.length);
  }
  const offsets: number[] = [];
  const members: Plan['members'] = [];
  // Offsets in the body first: where it starts depends on how long its size is in the manifest.
  for (const entry of entries) {
    const member = memberOf(entry);
    if (entry.path === '') {
      offsets.push(0);
      continue;
    }
    at += headerBytes(member);
    offsets.push(member.type === 'file' ? at : 0);
    at += roundUp(member.size);
    members.push({ member, entry });
  }
  const bodyBytes = at + TRAILER_BYTES;
  const { bytes: manifest } = encodeManifest(fields, bodyBytes);
  const bodyOffset = BLOCK_BYTES + manifest.length;
  return {
    fields,
    manifest,
    own,
    bodyBytes,
    imageBytes: bodyOffset + bodyBytes,
    offsets: offsets.map((offset) => (offset === 0 ? 0 : bodyOffset + offset)),
    members,
  };
}

function memberOf(entry: IndexEntry): TarMember {
  // Without setuid and setgid bits: unpacked with tar, they would be the unpacking user's.
  const mode = entry.mode & 0o777;
  const mtimeSeconds = Number(entry.mtimeNs / 1_000_000_000n);
  switch (entry.mode & 0o170000) {
    case 0o040000:
      return { name: `${entry.path}/`, type: 'directory', mode, size: 0, mtimeSeconds };
    case 0o120000: {
      const linkname = entry.linkText ?? '';
      return { name: entry.path, type: 'symlink', mode, size: 0, mtimeSeconds, linkname };
    }
    default:
      return { name: entry.path, type: 'file', mode, size: entry.size, mtimeSeconds };
  }
}

async function writeBody(
  handle: FileHandle,
  plan: Plan,
  { contents, onBytes }: WriteOptions,
): Promise<string> {
  const pack = tar.pack();
  const sink = new BodySink(handle, BLOCK_BYTES + plan.manifest.length);
  const total = plan.imageBytes;
  const drained = (async () => {
    for await (const chunk of pack as AsyncIterable<Buffer>) {
      await sink.add(chunk);
      onBytes?.(sink.bytes, total);
    }
    await sink.flush();
  })();
  const failed = drained.then(
    () => new Promise<never>(() => undefined),
    (error: unknown) => Promise.reject(error as Error),
  );
  failed.catch(() => undefined);
  try {
    const own = { type: 'file', mode: 0o644, mtimeSeconds: 0 } as const;
    const write = (member: TarMember, data: Buffer) => addBuffer(pack, member, data);
    await write({ ...own, name: MANIFEST_NAME, size: plan.manifest.length }, plan.manifest);
    for (const { name, data } of plan.own) await write({ ...own, name, size: data.length }, data);
    for (const { member, entry } of plan.members) {
      if (member.type !== 'file') await addBuffer(pack, member, undefined);
      else await Promise.race([addFile(pack, member, entry, contents.source(entry.path)), failed]);
    }
    pack.finalize();
    await drained;
  } catch (error) {
    pack.destroy();
    await drained.catch(() => undefined);
    throw error;
  }
  if (sink.bytes !== plan.imageBytes) {
    throw new WallaError(
      'ERR_WALLA_INTERNAL',
      `the archive has ${sink.bytes} bytes where ${plan.imageBytes} were planned`,
    );
  }
  return sink.digest();
}

/** Gathers small chunks into large writes, and hashes what lies behind the manifest. */
class BodySink {
  bytes = 0;
  readonly #handle: FileHandle;
  readonly #bodyOffset: number;
  readonly #digest = new PieceDigest();
  #chunks: Buffer[] = [];
  #gathered = 0;

  constructor(handle: FileHandle, bodyOffset: number) {
    this.#handle = handle;
    this.#bodyOffset = bodyOffset;
  }

  async add(chunk: Buffer): Promise<void> {
    const inManifest = Math.min(chunk.length, Math.max(0, this.#bodyOffset - this.bytes));
    this.#digest.update(chunk.subarray(inManifest));
    this.bytes += chunk.length;
    this.#chunks.push(chunk);
    this.#gathered += chunk.length;
    if (this.#gathered >= WRITE_BYTES) await this.flush();
  }

  async flush(): Promise<void> {
    const bytes = Buffer.concat(this.#chunks);
    this.#chunks = [];
    this.#gathered = 0;
    for (let at = 0; at < bytes.length;) {
      at += (await this.#handle.write(bytes, at)).bytesWritten;
    }
  }

  digest(): string {
    return this.#digest.finish();
  }
}

function header(member: TarMember): Parameters<tar.Pack['entry']>[0] {
  const { name, type, mode, size, linkname, mtimeSeconds } = member;
  const pax = paxFields(member);
  const mtime = new Date(fitsMtime(mtimeSeconds) ? mtimeSeconds * 1000 : 0);
  return {
    name,
    type,
    mode,
    size,
    mtime,
    ...(linkname === undefined ? {} : { linkname }),
    ...(pax === undefined ? {} : { pax }),
  };
}

function addBuffer(pack: tar.Pack, member: TarMember, data: Buffer | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    const done = (error?: Error | null) => (error ? reject(error) : resolve());
    if (data === undefined) pack.entry(header(member), done);
    else pack.entry(header(member), data, done);
  });
}

async function addFile(
  pack: tar.Pack,
  member: TarMember,
  entry: IndexEntry,
  path: string,
): Promise<void> {
  let fd: number;
  try {
    fd = openSync(path, 'r');
  } catch (error) {
    throw unreadable(path, error);
  }
  try {
    // Most files are small: reading them at once costs a fraction of the asynchronous calls.
    if (member.size <= WRITE_BYTES) await addBuffer(pack, member, readWhole(fd, member.size, path));
    else await addStream(pack, member, createReadStream(path, { fd, ...LARGE_READS }), path);
    checkUnchanged(fd, entry, path);
  } finally {
    closeSync(fd);
  }
}

const LARGE_READS = { autoClose: false, highWaterMark: WRITE_BYTES };

/** One byte more is asked for, to notice a file that grew. */
function readWhole(fd: number, size: number, path: string): Buffer {
  const buffer = Buffer.allocUnsafe(size + 1);
  let done = 0;
  for (let read = -1; read !== 0 && done < buffer.length; done += read) {
    read = readSync(fd, buffer, done, buffer.length - done, null);
  }
  if (done !== size) throw changed(path);
  return buffer.subarray(0, size);
}

async function addStream(
  pack: tar.Pack,
  member: TarMember,
  reader: AsyncIterable<Buffer>,
  path: string,
): Promise<void> {
  const done: { settle: (error?: Error | null) => void } = { settle: () => undefined };
  const written = new Promise<void>((resolve, reject) => {
    done.settle = (error) => (error ? reject(error) : resolve());
  });
  written.catch(() => undefined);
  const sink = pack.entry(header(member), (error) => done.settle(error));
  let copied = 0;
  for await (const chunk of reader) {
    copied += chunk.length;
    if (copied > member.size) throw changed(path);
    if (!sink.write(chunk))
      await new Promise<void>((drained) => sink.once('drain', () => drained()));
  }
  if (copied !== member.size) throw changed(path);
  sink.end(null);
  await written;
}

function checkUnchanged(fd: number, entry: IndexEntry, path: string): void {
  const { size, mtimeNs } = fstatSync(fd, { bigint: true });
  if (Number(size) !== entry.size || mtimeNs !== entry.mtimeNs) throw changed(path);
}

function changed(path: string): WallaError {
  return new WallaError('ERR_WALLA_PACK', `${path} changed while it was being packed`, {
    hint: 'pack again when nothing writes to the tree, or leave the file out with --exclude',
  });
}
