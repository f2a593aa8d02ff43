/** Unpacks a package's tarball as npm does (pacote's `#tarxOptions`): no links, no owners, nothing outside. */
import { chmodSync, closeSync, mkdirSync, openSync, rmSync, writeSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { Gunzip } from 'fflate';
import * as tar from 'tar-stream';
import { WallaError } from '../../errors.ts';
import { isSafePath } from '../entry-path.ts';

/** fflate hands over all that a piece expands to at once, up to a thousand times its size: so pieces are small. */
const PIECE_BYTES = 16 * 1024;
/** What a package may expand to: far above any, far below what fills a node. */
const MOST_BYTES = 4 * 1024 ** 3;
const MOST_FILES = 250_000;
/** What an extractor's iteration gives; tar-stream does not name it. */
type TarEntry = tar.Extract extends AsyncIterable<infer Entry> ? Entry : never;
const FILE_TYPES = new Set(['file', 'contiguous-file']);

/**
 * @param tarball gzip or plain
 * @param directory made if it is not there
 * @param name of the package, for messages
 * @returns paths of the files in it, relative to `directory`
 * @throws WallaError ERR_WALLA_INTEGRITY for what is no sound tarball; ERR_WALLA_NO_SPACE
 */
export async function unpackPackage(
  tarball: Buffer,
  directory: string,
  name: string,
): Promise<string[]> {
  const extract = tar.extract();
  const unpacked = new Unpacking(directory, name);
  const fed = feed(tarball, extract).catch((error: unknown) => {
    extract.destroy(error as Error);
  });
  try {
    for await (const entry of extract) await unpacked.take(entry);
    await fed;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (error instanceof WallaError) throw error;
    if (code !== undefined && /^E[A-Z]+$/.test(code) && code !== 'EISDIR' && code !== 'ENOTDIR')
      throw WallaError.from(error);
    throw damaged(name, (error as Error).message);
  }
  return unpacked.files;
}

async function feed(tarball: Buffer, extract: tar.Extract): Promise<void> {
  const isGzip = tarball[0] === 0x1f && tarball[1] === 0x8b;
  let pieces: Uint8Array[] = [];
  const gunzip = new Gunzip((plain) => void pieces.push(plain));
  for (let at = 0; at < tarball.length; at += PIECE_BYTES) {
    const piece = tarball.subarray(at, at + PIECE_BYTES);
    if (isGzip) gunzip.push(piece, at + PIECE_BYTES >= tarball.length);
    else pieces.push(piece);
    for (const plain of pieces) if (!extract.write(plain)) await drained(extract);
    pieces = [];
  }
  extract.end(undefined);
}

function drained(extract: tar.Extract): Promise<void> {
  return new Promise((resolve, reject) => {
    extract.once('drain', resolve);
    extract.once('close', () => reject(new Error('the tarball is damaged')));
  });
}

class Unpacking {
  readonly files: string[] = [];
  readonly #directory: string;
  readonly #name: string;
  #bytes = 0;
  readonly #ignoreFiles = new Set<string>();

  constructor(directory: string, name: string) {
    this.#directory = directory;
    this.#name = name;
    makeDirectory(directory);
  }

  async take(entry: TarEntry): Promise<void> {
    const { type, mode, size } = entry.header;
    const path = this.#pathOf(entry.header.name);
    this.#bytes += size;
    if (this.#bytes > MOST_BYTES || this.files.length >= MOST_FILES)
      throw damaged(
        this.#name,
        `it expands to more than ${MOST_BYTES} bytes or ${MOST_FILES} files`,
      );
    if (path === undefined || !FILE_TYPES.has(type)) {
      if (type === 'directory' && path !== undefined) makeDirectory(join(this.#directory, path));
      // Links and devices are no part of a package.
      entry.resume();
      return;
    }
    const target = join(this.#directory, path);
    makeDirectory(dirname(target));
    rmSync(target, { force: true });
    const fd = openSync(target, 'wx');
    try {
      for await (const chunk of entry as AsyncIterable<Buffer>)
        for (let done = 0; done < chunk.length;) done += writeSync(fd, chunk, done);
    } finally {
      closeSync(fd);
    }
    chmodSync(target, ((mode | 0o666) & 0o777 & ~0o22) | 0o600);
    this.files.push(path);
  }

  /** Without the first name, whatever it is; undefined for that itself and for what npm leaves out. */
  #pathOf(name: string): string | undefined {
    const parts = name.split('/').filter((part) => part !== '' && part !== '.');
    if (parts.includes('..') || name.startsWith('/') || name.includes('\\'))
      throw damaged(this.#name, `it has a path that leads out of it, ${JSON.stringify(name)}`);
    let path = parts.slice(1).join('/');
    if (path === '') return undefined;
    if (!isSafePath(path)) throw damaged(this.#name, `it has the path ${JSON.stringify(name)}`);
    if (basename(path) === '.npmignore') this.#ignoreFiles.add(path);
    if (basename(path) !== '.gitignore') return path;
    path = path.replace(/\.gitignore$/, '.npmignore');
    return this.#ignoreFiles.has(path) ? undefined : path;
  }
}

function makeDirectory(path: string): void {
  mkdirSync(path, { recursive: true, mode: 0o755 });
}

function damaged(name: string, why: string): WallaError {
  return new WallaError('ERR_WALLA_INTEGRITY', `the tarball of ${name} cannot be unpacked: ${why}`);
}
