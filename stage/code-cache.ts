/**
 * V8 code caches that were packed: unpacked once a node beside the image, and used through Node.js's own compile
 * cache (22.1 and later) by processes of the same Node.js with the same V8 flags.
 */
import { closeSync, writeSync } from 'node:fs';
import { Module } from '../loader/node-internals.ts';
import type { NativeImage } from '../native/addon.ts';
import { loadAddon } from '../native/load-addon.ts';
import { decodeCodeCaches } from './format/code-cache.ts';
import type { CodeCacheFields } from './format/manifest.ts';

/** In the image's directory. Node.js makes and looks for a directory per version in it. */
export const CODE_CACHE_DIRECTORY = 'code-cache';

/** Node.js's name for its version and V8's, without the user: src/compile_cache.cc, GetCacheVersionTag. */
export function codeCacheTag(): string {
  const { cachedDataVersionTag } = process.getBuiltinModule('node:v8');
  const tag = cachedDataVersionTag().toString(16).padStart(8, '0');
  return `${process.version}-${process.arch}-${tag}`;
}

/**
 * Unpacks the caches below an image that is being placed. Not collective: each node leader does so.
 * @param directoryFd the image's own directory
 * @throws WallaError ERR_WALLA_ARCHIVE_DAMAGED, or Error with an errno code
 */
export function unpackCodeCache(
  image: NativeImage,
  { path, tag }: CodeCacheFields,
  directoryFd: number,
): void {
  if (!Module.enableCompileCache || tag !== codeCacheTag()) return;
  const entry = image.find(`${image.path(0).replace(/\/$/, '')}/${path}`, false);
  if (entry < 0) return;
  const { caches } = decodeCodeCaches(image.bytes(entry));
  const addon = loadAddon();
  const outerFd = addon.openPrivateDirectoryAt(directoryFd, CODE_CACHE_DIRECTORY, true);
  let innerFd = -1;
  try {
    innerFd = addon.openPrivateDirectoryAt(outerFd, `${tag}-${process.getuid?.() ?? 0}`, true);
    for (const { name, data } of caches) {
      const fd = addon.openPrivateFileAt(innerFd, name, 'create');
      try {
        for (let at = 0; at < data.length;) at += writeSync(fd, data, at);
      } finally {
        closeSync(fd);
      }
    }
  } finally {
    if (innerFd >= 0) closeSync(innerFd);
    closeSync(outerFd);
  }
}

/**
 * Has Node.js use the caches beside an image, unless the user has chosen a cache or measures coverage: V8 counts no
 * blocks in functions that come from a cache.
 */
export function useCodeCache(directory: string, tag: string): void {
  const { env } = process;
  if (env['NODE_COMPILE_CACHE'] || env['NODE_DISABLE_COMPILE_CACHE'] || env['NODE_V8_COVERAGE'])
    return;
  if (tag === codeCacheTag()) Module.enableCompileCache?.(`${directory}/${CODE_CACHE_DIRECTORY}`);
}
