/** What the tests of the native core share: an archive with one of everything, and a place for files. */
import assert from 'node:assert/strict';
import { closeSync, mkdtempSync, openSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after } from 'node:test';
import type { NativeImage } from '../../native/addon.ts';
import { loadAddon } from '../../native/load-addon.ts';
import {
  FLAG_ASCII,
  FLAG_COMPLETE,
  FLAG_ELF,
  FLAG_FROZEN,
  KIND_IMPORT,
  KIND_REQUIRE,
  OUTCOME_ABSENT,
  OUTCOME_BUILTIN,
  OUTCOME_FILE,
} from '../../stage/format/index-layout.ts';
import type { ImageNode, ImageRule } from './tar-image.ts';

export const addon = loadAddon();

/** Removed when the test file ends. */
export const scratch = mkdtempSync(join(tmpdir(), 'walla-addon-test-'));
after(() => rmSync(scratch, { recursive: true, force: true }));

export const FROZEN = FLAG_COMPLETE | FLAG_FROZEN;
export const LONG_ASCII = 'export default 1; // long\n'.repeat(100);
export const MIXED = Buffer.concat([
  Buffer.from('\uFEFFgrüße 😀 '),
  Buffer.from([0xff, 0xc3]),
  Buffer.from('end'),
]);

export const NODES: ImageNode[] = [
  { path: '', kind: 'directory', mode: 0o755 },
  { path: 'package.json', kind: 'file', data: Buffer.from('{}'), format: 3, flags: FLAG_ASCII },
  {
    path: 'app.mjs',
    kind: 'file',
    data: Buffer.from(LONG_ASCII),
    format: 2,
    flags: FLAG_ASCII,
    mtimeNs: 1_700_000_000_123_456_789n,
  },
  { path: 'empty.js', kind: 'file', data: Buffer.alloc(0), format: 1, flags: FLAG_ASCII },
  { path: 'mixed.js', kind: 'file', data: MIXED, format: 1, mtimeNs: -1n },
  { path: 'übung', kind: 'directory', flags: 0 },
  {
    path: 'link',
    kind: 'link',
    text: 'node_modules/left',
    target: 'node_modules/left',
    mode: 0o777,
  },
  { path: 'loose', kind: 'link', text: 'nowhere', mode: 0o777 },
  { path: 'node_modules', kind: 'directory', flags: FROZEN },
  { path: 'node_modules/left', kind: 'directory', flags: FROZEN, unpacked: [['README', 8]] },
  { path: 'node_modules/left/package.json', kind: 'file', data: Buffer.from('{}') },
  {
    path: 'node_modules/left/left.node',
    kind: 'file',
    data: Buffer.from('\x7fELF'),
    flags: FLAG_ELF,
    format: 5,
  },
];
export const RULES: ImageRule[] = [
  {
    directory: '',
    specifier: 'left',
    kind: KIND_IMPORT,
    outcome: OUTCOME_FILE,
    target: 'node_modules/left/left.node',
  },
  {
    directory: '',
    specifier: './app.mjs?a#b',
    kind: KIND_IMPORT,
    outcome: OUTCOME_FILE,
    target: 'app.mjs',
    text: '?a#b',
  },
  { directory: '', specifier: 'fs', kind: KIND_REQUIRE, outcome: OUTCOME_BUILTIN, text: 'fs' },
  {
    directory: 'node_modules/left',
    specifier: 'gone',
    kind: KIND_REQUIRE,
    outcome: OUTCOME_ABSENT,
    text: '{"code":"MODULE_NOT_FOUND"}',
  },
];

/** For assert.throws: an Error with this code. */
export const failsWith = (code: string) => (error: unknown) => {
  assert.ok(error instanceof Error);
  assert.equal((error as NodeJS.ErrnoException).code, code, error.message);
  return true;
};

/** Writes an archive into a file of this name and maps it. */
export function openImage(content: Buffer, roots: string[], name = 'image'): NativeImage {
  const path = join(scratch, name);
  writeFileSync(path, content, { mode: 0o600 });
  const fd = openSync(path, 'r');
  try {
    return addon.openImage(fd, roots);
  } finally {
    closeSync(fd);
  }
}
