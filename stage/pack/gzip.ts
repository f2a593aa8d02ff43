import { createReadStream, createWriteStream } from 'node:fs';
import { rename, rm } from 'node:fs/promises';
import { Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { Gzip } from 'fflate';

const CHUNK_BYTES = 1024 * 1024;

/** Compresses a file as a stream, aside, then renames it. The same bytes give the same bytes. */
export async function gzipFile(source: string, target: string): Promise<void> {
  const temporary = `${target}.tmp-${process.pid}`;
  const gzip = new Gzip({ level: 6, mtime: 0 });
  const compress = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      gzip.push(chunk);
      done();
    },
    flush(done) {
      gzip.push(new Uint8Array(0), true);
      done();
    },
  });
  gzip.ondata = (chunk) => compress.push(chunk);
  try {
    const reader = createReadStream(source, { highWaterMark: CHUNK_BYTES });
    await pipeline(reader, compress, createWriteStream(temporary));
    await rename(temporary, target);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
}
