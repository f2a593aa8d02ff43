/**
 * Entry of dist/fetch.js: the child process that downloads and unpacks archives. Its libraries are never loaded into a
 * program. What to do comes on stdin, since arguments can be read by everybody on the node.
 */
import { readFileSync, readSync, writeSync } from 'node:fs';
import { WallaError } from '../../errors.ts';
import { parseArchiveUrl, withoutSecrets } from '../archive-url.ts';
import { ArchiveDecoder } from './archive-decoder.ts';
import { ArchiveSink } from './archive-sink.ts';
import type { FetchReply, FetchRequest } from './request.ts';
import { SOURCE_FD, TARGET_FD, type DownloadRequest, type UnpackRequest } from './request.ts';

const READ_BYTES = 1024 * 1024;
const PARENT_CHECK_MS = 1000;

const parent = process.ppid;
// The process that asked may be killed, and can take nobody with it.
setInterval(endWithParent, PARENT_CHECK_MS).unref();

const request = JSON.parse(readFileSync(0, 'utf8')) as FetchRequest;
let reply: FetchReply;
try {
  reply = request.kind === 'unpack' ? unpack(request) : await download(request);
} catch (error) {
  const { code, message, hint } = WallaError.from(error, 'ERR_WALLA_TRANSFER');
  const url = request.kind === 'download' ? parsed(request.url) : undefined;
  reply = { ok: false, code, hint, message: url ? withoutSecrets(message, url) : message };
}
writeSync(1, JSON.stringify(reply));
process.exit();

function endWithParent(): void {
  if (process.ppid !== parent) process.exit(1);
}

function parsed(url: string): URL | undefined {
  return URL.canParse(url) ? new URL(url) : undefined;
}

function unpack({ name }: UnpackRequest): FetchReply {
  const sink = new ArchiveSink(TARGET_FD, name);
  const decoder = new ArchiveDecoder(sink, name);
  const buffer = Buffer.alloc(READ_BYTES);
  let receivedBytes = 0;
  for (;;) {
    const got = readSync(SOURCE_FD, buffer, 0, buffer.length, receivedBytes);
    if (got === 0) break;
    endWithParent();
    // The decoder may keep what it is given.
    decoder.push(Buffer.from(buffer.subarray(0, got)));
    receivedBytes += got;
  }
  decoder.end();
  return { ok: true, kept: undefined, receivedBytes, bodyDigest: sink.finish().bodyDigest };
}

async function download(request: DownloadRequest): Promise<FetchReply> {
  const { Download } = await import('./download.ts');
  const url = parseArchiveUrl(request.url);
  const kept = await openKept(request, url);
  const known = kept?.find();
  const part = kept?.begin();
  try {
    const download = new Download(url, part?.fd ?? TARGET_FD, request.timeoutMs, known);
    const done = await run();
    const { receivedBytes, archive } = done.result;
    if (!archive) {
      kept?.touch();
      return { ok: true, kept: kept?.name, receivedBytes, bodyDigest: '' };
    }
    const { manifest, bodyDigest } = archive;
    if (kept && part && done.inPart) kept.keep(part.name, done.result.version, manifest.sha256);
    const name = done.inPart ? kept?.name : undefined;
    return { ok: true, kept: name, receivedBytes, bodyDigest };

    async function run() {
      try {
        return { result: await download.run(), inPart: part !== undefined };
      } catch (error) {
        // No room to keep it is no reason not to run.
        const full = (error as WallaError).code === 'ERR_WALLA_NO_SPACE';
        if (!part || !full) throw error;
        download.redirectTo(TARGET_FD);
        return { result: await download.run(), inPart: false };
      }
    }
  } finally {
    if (part) kept?.remove(part.name);
  }
}

/** Nowhere to keep downloads is no reason not to download, unless somebody named a place. */
async function openKept({ downloads, downloadsNamed }: DownloadRequest, url: URL) {
  if (downloads === undefined) return undefined;
  const { KeptDownloads } = await import('./kept-downloads.ts');
  try {
    return new KeptDownloads(downloads, url);
  } catch (error) {
    if (!downloadsNamed) return undefined;
    const reason = error instanceof Error ? error.message : String(error);
    throw new WallaError(
      'ERR_WALLA_STAGING_DIRECTORY',
      `cannot keep downloads in ${downloads}: ${reason}`,
      { hint: 'set WALLA_DOWNLOADS to a directory that you can write, or to off' },
    );
  }
}
