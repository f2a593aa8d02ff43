/**
 * V8 code caches that were packed: unpacked once a node beside the image, and used through Node.js's own compile
 * cache (22.1 and later) by processes of the same Node.js with the same V8 flags.
 */
import { closeSync, readSync } from 'node:fs';
import { hideCompileCache } from '../loader/compile-cache.ts';
import { hasFlag, hasFlagOrValue } from '../loader/node-features.ts';
import { Module } from '../loader/node-internals.ts';
import { loadAddon } from '../native/load-addon.ts';
import { WallaError } from './errors.ts';
import { type CodeCaches, decodeCodeCaches } from './format/code-cache.ts';
import type { CodeCacheFields } from './format/manifest.ts';
import { CODE_CACHE_DIRECTORY } from './staging-names.ts';
import { checkRoom } from './staging-room.ts';

/**
 * Node.js's name for its version and V8's, without the user: src/compile_cache.cc, GetCacheVersionTag.
 * @param v8Tag `v8.cachedDataVersionTag()`
 */
export function codeCacheTag(
  v8Tag = process.getBuiltinModule('node:v8').cachedDataVersionTag(),
): string {
  return `${process.version}-${process.arch}-${v8Tag.toString(16).padStart(8, '0')}`;
}

/** The same for a process that has the addon, and has better not load node:v8. */
function ownTag(): string {
  return codeCacheTag(loadAddon().v8CodeTag());
}

/** tmpfs gives out memory by pages. */
const PAGE_BYTES = 4096;

/**
 * Unpacks the caches below an image that is being placed. Not collective: each node leader does so. Where there is no room for them
 * there are none.
 * @param bodyOffset where the image's body starts
 * @param directoryFd the image's own directory
 * @param path of the staging directory
 * @throws WallaError ERR_WALLA_ARCHIVE_DAMAGED, or Error with an errno code
 */
export function unpackCodeCache(
  { tag, offset, bytes }: CodeCacheFields,
  imageFd: number,
  bodyOffset: number,
  directoryFd: number,
  path: string,
): void {
  if (!Module.enableCompileCache || tag !== ownTag()) return;
  const { caches } = decodeCodeCaches(readMember(imageFd, bodyOffset + offset, bytes));
  const pages = caches.reduce((sum, { data }) => sum + Math.ceil(data.length / PAGE_BYTES), 0);
  try {
    checkRoom(directoryFd, pages * PAGE_BYTES, path, 'code caches need');
    writeCaches({ tag, caches }, directoryFd);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code !== 'ENOSPC' && code !== 'ERR_WALLA_NO_SPACE') throw error;
    loadAddon().removeTreeAt(directoryFd, CODE_CACHE_DIRECTORY);
  }
}

function readMember(imageFd: number, offset: number, bytes: number): Buffer {
  const member = Buffer.allocUnsafe(bytes);
  for (let at = 0; at < bytes;) {
    const read = readSync(imageFd, member, at, bytes - at, offset + at);
    if (read === 0)
      throw new WallaError('ERR_WALLA_ARCHIVE_DAMAGED', 'the archive ends inside its code caches');
    at += read;
  }
  return member;
}

function writeCaches({ tag, caches }: CodeCaches, directoryFd: number): void {
  const addon = loadAddon();
  const outerFd = addon.openPrivateDirectoryAt(directoryFd, CODE_CACHE_DIRECTORY, true);
  let innerFd = -1;
  try {
    innerFd = addon.openPrivateDirectoryAt(outerFd, `${tag}-${process.getuid?.() ?? 0}`, true);
    addon.writePrivateFilesAt(
      innerFd,
      caches.map(({ name }) => name),
      caches.map(({ data }) => data),
    );
  } finally {
    if (innerFd >= 0) closeSync(innerFd);
    closeSync(outerFd);
  }
}

/**
 * Has Node.js use the caches beside an image, unless the user has chosen a cache, measures coverage (V8 counts no
 * blocks in functions that come from a cache) or looks at the program with a debugger. The program is not told.
 */
export function useCodeCache(directory: string, tag: string): void {
  const { env } = process;
  const isDecided =
    Boolean(env['NODE_COMPILE_CACHE']) || env['NODE_DISABLE_COMPILE_CACHE'] !== undefined;
  if (isDecided || isLookedAt()) return;
  if (!Module.enableCompileCache || tag !== ownTag()) return;
  const { ENABLED } = Module.constants?.compileCacheStatus ?? {};
  const { status } = Module.enableCompileCache(`${directory}/${CODE_CACHE_DIRECTORY}`);
  if (status === ENABLED) hideCompileCache();
}

const INSPECTORS = ['--inspect', '--inspect-brk', '--inspect-wait'];

function isLookedAt(): boolean {
  return (
    Boolean(process.env['NODE_V8_COVERAGE']) ||
    hasFlag('--experimental-test-coverage') ||
    INSPECTORS.some(hasFlagOrValue)
  );
}
