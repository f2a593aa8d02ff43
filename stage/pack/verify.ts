import { createReadStream, createWriteStream } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { createGunzip } from 'node:zlib';
import type { Manifest } from '../format/manifest.ts';
import { damaged, digestFrom, openArchive, openFile, readAt } from './archive-reader.ts';
import { isCode } from './source-tree.ts';
import { verifyIndex } from './verify-index.ts';
import { verifyMembers } from './verify-members.ts';

export interface VerifiedArchive {
  manifest: Manifest;
  bytes: number;
}

type OnBytes = (done: number, total: number) => void;

/**
 * Checks everything an archive says about itself: the manifest's digest, the body's digest, every
 * number of the index, and each tar header against the index. Reads compressed archives too. Says
 * nothing about what the packed program does: whoever may write an archive runs code as its user.
 * @param onBytes told how far the digest is
 * @throws ERR_WALLA_ARCHIVE_DAMAGED, ERR_WALLA_ARCHIVE_FORMAT, ERR_WALLA_ARCHIVE_MISSING
 */
export async function verifyArchive(file: string, onBytes?: OnBytes): Promise<VerifiedArchive> {
  if (!(await isGzip(file))) return verifyPlain(file, onBytes);
  const directory = await mkdtemp(join(tmpdir(), 'walla-verify-'));
  try {
    const plain = join(directory, 'archive');
    await gunzip(file, plain);
    return await verifyPlain(plain, onBytes);
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

async function isGzip(file: string): Promise<boolean> {
  const handle = await openFile(file);
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

async function verifyPlain(file: string, onBytes?: OnBytes): Promise<VerifiedArchive> {
  const { handle, bytes, manifest, index } = await openArchive(file);
  try {
    const { offset, digest } = manifest.body;
    const found = await digestFrom(file, offset, (done) => onBytes?.(done, bytes - offset));
    if (found !== digest) throw damaged(`the body of ${file} does not match its digest`);
    const entries = verifyIndex(index, manifest);
    await verifyMembers(handle, entries, manifest, bytes);
    return { manifest, bytes };
  } finally {
    await handle.close();
  }
}
