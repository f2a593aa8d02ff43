/**
 * Numbers of the index, version 1. The bytes are described in docs/format.md;
 * native/src/index_layout.h holds the same numbers for the reader.
 */

export const MAGIC = 'WALLAIDX';
export const INDEX_VERSION = 1;
export const HEADER_BYTES = 128;
export const ENTRY_BYTES = 64;
export const PATH_SLOT_BYTES = 8;
export const LISTING_BYTES = 16;
export const RESOLUTION_SLOT_BYTES = 32;
export const NONE = 0xffffffff;

/** Names of the members walla itself adds to the tar file. */
export const MANIFEST_NAME = '.walla/manifest.json';
export const INDEX_NAME = '.walla/index';
export const CODE_CACHE_NAME = '.walla/code-cache';

/** Module formats as Node.js names them, at the position of their number in the index. */
export const FORMATS = [
  undefined,
  'commonjs',
  'module',
  'json',
  'wasm',
  'addon',
  'commonjs-typescript',
  'module-typescript',
] as const;

export type ModuleFormat = NonNullable<(typeof FORMATS)[number]>;

export const FLAG_ELF = 1;
export const FLAG_COMPLETE = 2;
export const FLAG_FROZEN = 4;
export const FLAG_ASCII = 8;
export const FLAG_UTF8 = 16;

export const KIND_IMPORT = 1;
export const KIND_REQUIRE = 2;
export type ResolutionKind = typeof KIND_IMPORT | typeof KIND_REQUIRE;

export const OUTCOME_FILE = 1;
export const OUTCOME_BUILTIN = 2;
export const OUTCOME_ABSENT = 3;

/** Hash of docs/format.md: FNV-1a, 32 bits, with the finalizer of MurmurHash3. */
export function hashBytes(bytes: Uint8Array, seed = 2166136261): number {
  let h = seed;
  for (const byte of bytes) h = Math.imul(h ^ byte, 16777619);
  h ^= h >>> 16;
  h = Math.imul(h, 0x85ebca6b);
  h ^= h >>> 13;
  h = Math.imul(h, 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}
