/**
 * V8 code caches of a program, as one member of the archive: a line of JSON, then the caches one after the
 * other, each under the name that Node.js gave it. docs/format.md describes the bytes.
 */
import { WallaError } from '../errors.ts';

export interface CodeCaches {
  /** Node.js version, architecture, and V8's tag of its own version and flags, in Node.js's spelling. */
  tag: string;
  caches: readonly { name: string; data: Buffer }[];
}

/** Node.js names a cache by 32 bits in hex. */
const NAME = /^[0-9a-f]{1,16}$/;

export function encodeCodeCaches({ tag, caches }: CodeCaches): Buffer {
  const files = caches.map(({ name, data }) => [name, data.length]);
  const head = Buffer.from(`${JSON.stringify({ tag, files })}\n`);
  return Buffer.concat([head, ...caches.map(({ data }) => data)]);
}

/** @throws WallaError ERR_WALLA_ARCHIVE_DAMAGED */
export function decodeCodeCaches(bytes: Buffer): CodeCaches {
  const end = bytes.indexOf('\n');
  const { tag, files } = parseHead(bytes.toString('utf8', 0, Math.max(end, 0)));
  let at = end + 1;
  const caches = files.map(([name, size]) => {
    if (!NAME.test(name) || !Number.isSafeInteger(size) || size < 0 || size > bytes.length - at)
      throw damaged('names a cache that is not there');
    at += size;
    return { name, data: bytes.subarray(at - size, at) };
  });
  if (at !== bytes.length) throw damaged('has another size than its caches');
  return { tag, caches };
}

function parseHead(text: string): { tag: string; files: [string, number][] } {
  let head: { tag?: unknown; files?: unknown } | null;
  try {
    head = JSON.parse(text) as typeof head;
  } catch {
    throw damaged('does not start with a line of JSON');
  }
  const { tag, files } = head ?? {};
  if (typeof tag !== 'string' || !Array.isArray(files) || !files.every(isFile))
    throw damaged('has another first line than it should');
  return { tag, files };
}

function isFile(value: unknown): value is [string, number] {
  return Array.isArray(value) && typeof value[0] === 'string' && typeof value[1] === 'number';
}

function damaged(what: string): WallaError {
  return new WallaError('ERR_WALLA_ARCHIVE_DAMAGED', `the member of code caches ${what}`);
}
