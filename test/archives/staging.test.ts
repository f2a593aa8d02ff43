/**
 * Archives by a hostile author, staged: all digests are right. Whoever may write an archive runs code as
 * its user anyway, so these tests ask for three things: no crash and no hang, nothing written outside of
 * the staging directory, and nothing left behind.
 */
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import {
  ENTRY_BYTES,
  FLAG_COMPLETE,
  FLAG_ELF,
  HEADER_BYTES,
} from '../../stage/format/index-layout.ts';
import { which } from '../mpi/launch.ts';
import { leftBehind, type Outcome, preload, run } from '../run-node.ts';
import { forgeApp, forgeFile, type ForgedEntry, type Forgery, withManifest } from './forge.ts';

const ELF = Buffer.from('\x7fELF, or so it says');
const native = (path: string, more: Partial<ForgedEntry> = {}): ForgedEntry => ({
  path,
  kind: 'file',
  data: ELF,
  flags: FLAG_ELF,
  ...more,
});
const plain = (path: string, more: Partial<ForgedEntry> = {}): ForgedEntry => ({
  path,
  kind: 'file',
  data: Buffer.from('x'),
  ...more,
});
const link = (path: string, linkText: string, linkTarget?: string): ForgedEntry => ({
  path,
  kind: 'link',
  mode: 0o777,
  linkText,
  linkTarget,
});
const record = (number: number) => HEADER_BYTES + number * ENTRY_BYTES;

type Expected = 'refused' | 'runs';

/** What is packed beside the program, and what staging does with it. Entry 0 is the root, 1 app.mjs. */
const ARCHIVES: Record<string, [Expected, ForgedEntry[], Partial<Forgery>?]> = {
  'a native with an absolute name': ['refused', [native('/tmp/walla-canary')]],
  'a native with .. in its name': ['refused', [native('../../../canary')]],
  'a native with .. inside its name': ['refused', [native('a/../../../canary')]],
  'a native with a NUL in its name': ['refused', [native('a\0/../../canary')]],
  'a native whose name has 4,096 characters': ['refused', [native('x'.repeat(4096))]],
  'a native 1,000 directories deep': ['refused', [native(`${'d/'.repeat(1000)}x`)]],
  'a native with newlines in its name': ['runs', [native('new\nline.node')]],
  'a native with setuid bits': ['runs', [native('setuid.node', { mode: 0o6777 })]],
  'natives that differ only in case': ['runs', [native('Case.node'), native('case.node')]],
  'a native packed twice, with other content': [
    'runs',
    [native('z.node'), native('z.node', { data: Buffer.from('\x7fELF, another') })],
  ],
  'a native below another': ['refused', [native('z.node'), native('z.node/x.node')]],
  'a link that leads out, and a native below it': [
    'runs',
    [
      link('out', '/tmp', 'lib'),
      { path: 'lib', kind: 'directory' },
      native('out/canary'),
      native('lib/x.node'),
    ],
  ],
  'a link to the parent, and a native below it': [
    'runs',
    [link('up', '../..'), native('up/canary')],
  ],
  'a link with a name that leads out': [
    'refused',
    [{ path: 'lib', kind: 'directory' }, native('lib/x.node'), link('../link', 'lib', 'lib')],
  ],
  'a native of a size that lies outside of the archive': [
    'runs',
    [native('z.node', { size: 2 ** 50 })],
  ],
  'plain files with names that lead out': [
    'runs',
    [plain('/etc/passwd'), plain('../../x'), plain('a/../../x'), plain('x'.repeat(4096))],
  ],
  'a device, a FIFO and a socket': [
    'runs',
    [plain('b'), plain('c'), plain('d')],
    {
      index: (index) => {
        for (const [i, type] of [0o020644, 0o010644, 0o140644].entries())
          index.writeUInt32LE(type, record(2 + i) + 32);
      },
    },
  ],
  'a listing with names that lead out': [
    'runs',
    [
      {
        path: 'd',
        kind: 'directory',
        flags: FLAG_COMPLETE,
        listing: ['..', '../x', '/', '', 'a/b'].map((name) => ({ name, type: 8 })),
      },
    ],
  ],
  'a name that is not UTF-8': [
    'runs',
    [native('zzzz.node')],
    { index: (index) => (index[index.indexOf('zzzz')] = 0xff) },
  ],
  '100,000 names': [
    'runs',
    Array.from({ length: 100_000 }, (_, i) => plain(`f${i}`, { data: Buffer.alloc(0) })),
  ],
  'path slots that are all taken and all alike': [
    'refused',
    [],
    {
      index: (index) => {
        const at = Number(index.readBigUInt64LE(48));
        for (let slot = 0; slot < Number(index.readBigUInt64LE(56)); slot++) {
          index.writeUInt32LE(7, at + slot * 8);
          index.writeUInt32LE(0, at + slot * 8 + 4);
        }
      },
    },
  ],
  'an index that says another size of the archive': [
    'refused',
    [],
    {
      body: (body) => {
        body.writeBigUInt64LE(12345n, 512 + 24);
        return body;
      },
    },
  ],
  'an index of 2^63 bytes': [
    'refused',
    [],
    {
      body: (body) => {
        body.writeBigUInt64LE(2n ** 63n, 512 + 16);
        return body;
      },
    },
  ],
  'a manifest that counts no natives': [
    'runs',
    [native('z.node')],
    {
      manifest: {
        counts: { files: 1, directories: 1, links: 0, natives: 0, resolutions: 0, absent: 0 },
      },
    },
  ],
  'a manifest whose root is elsewhere': ['runs', [], { manifest: { root: '/etc' } }],
  'a manifest whose program leads out': [
    'refused',
    [],
    { manifest: { entries: ['../../bin/sh'] } },
  ],
  'a manifest whose Node.js is an escape sequence': [
    'refused',
    [],
    { manifest: { abi: '1', node: '\x1b[31m\nwalla: forged' } },
  ],
  'a manifest whose conditions are escape sequences': [
    'refused',
    [],
    { manifest: { conditions: ['\x1b[2J'] } },
  ],
  'a manifest whose platform is an escape sequence': [
    'refused',
    [],
    { manifest: { platform: '\x1b[2J' } },
  ],
  'a manifest whose programs are escape sequences': [
    'refused',
    [],
    { manifest: { entries: ['\x1b[2J'] } },
  ],
  'a manifest with an empty program': ['refused', [], { manifest: { entries: [''] } }],
};

describe('a staged archive by a hostile author', () => {
  let top: string;
  let base: string;
  let app: string;
  before(() => {
    top = mkdtempSync(join(tmpdir(), 'walla-hostile-'));
    base = join(top, 'a/b/base');
    app = join(top, 'app');
    mkdirSync(base, { recursive: true });
    mkdirSync(app);
    writeFileSync(join(app, 'app.mjs'), "console.log('ran');\n");
  });
  after(() => {
    rmSync(top, { recursive: true });
  });

  function start(archive: string, wrapper: string[] = []): Outcome {
    const words = [...wrapper, process.execPath, '-r', preload, join(app, 'app.mjs')];
    return run(words[0] ?? '', words.slice(1), {
      WALLA_ARCHIVE: archive,
      WALLA_DIR: base,
      WALLA_STALE: 'use',
    });
  }

  /** Paths that a traced process made or opened for writing, but for pipes and memory. */
  function written(trace: string): string[] {
    const calls =
      /\b(?:openat|open|creat|mkdir|mkdirat|symlink|symlinkat|linkat|link|renameat|renameat2|rename|mknod|mknodat)\((.*)\) = \d/;
    return readFileSync(trace, 'utf8')
      .split('\n')
      .flatMap((line) => {
        const call = calls.exec(line)?.[1];
        if (call === undefined) return [];
        if (/\bopen(?:at)?\(/.test(line) && !/O_(?:WRONLY|RDWR|CREAT)/.test(line)) return [];
        // `-y` shows the descriptor's own path, and -e decode-fds what the result is.
        return [call];
      });
  }

  for (const [name, [expected, extra, more]] of Object.entries(ARCHIVES)) {
    test(
      `${name}: ${expected}`,
      { skip: which('strace') ? false : 'strace is not installed' },
      () => {
        const archive = forgeFile(join(top, 'forged.walla'), extra, more);
        const trace = join(top, 'trace');
        const calls =
          'trace=openat,open,creat,mkdir,mkdirat,symlink,symlinkat,link,linkat,rename,renameat,renameat2,mknod,mknodat';
        const { status, signal, stdout, stderr } = start(archive, [
          'strace',
          '-f',
          '-y',
          '-s',
          '300',
          '-o',
          trace,
          '-e',
          calls,
        ]);
        assert.equal(signal, null);
        if (expected === 'refused') {
          assert.match(
            stderr,
            /^walla: ERR_WALLA_(ARCHIVE_DAMAGED|NOT_PACKED|PLATFORM|STAGING_DIRECTORY|STALE): .*\nhint: /m,
          );
          assert.deepEqual([status, stdout], [1, '']);
        } else {
          assert.deepEqual([status, stdout], [0, 'ran\n'], stderr);
        }
        // eslint-disable-next-line no-control-regex
        assert.doesNotMatch(stderr, /[\x00-\x09\x0b-\x1f\x7f-\x9f]/);
        assert.deepEqual(leftBehind(base), []);
        for (const call of written(trace)) {
          // With `-y` a descriptor is followed by its path, so that a relative name is seen with its place.
          const inside = call.includes(base) && !call.includes('"..') && !call.includes('"/etc');
          const elsewhere =
            /"\/dev\/(?:null|tty)"|\/memfd:|"\/proc\/|anon_inode|pipe:|"\/sys\//.test(call);
          assert.ok(inside || elsewhere, `written outside of the staging directory: ${call}`);
        }
      },
    );
  }

  for (const offset of [0, 511, 600, 1024 ** 4]) {
    test(`a manifest that says the body begins at ${offset}: refused`, () => {
      const archive = join(top, 'forged.walla');
      const forged = withManifest(forgeApp([]), ({ body }) => {
        body.bytes += body.offset - offset;
        body.offset = offset;
      });
      writeFileSync(archive, forged);
      const { status, stderr } = start(archive);
      assert.match(stderr, /ERR_WALLA_ARCHIVE_DAMAGED: .*(another place|lacks a field)/);
      assert.equal(status, 1);
    });
  }
});
