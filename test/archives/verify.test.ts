/** `walla verify` finds every way in which an archive with right digests can still be wrong. */
import assert from 'node:assert/strict';
import { ftruncateSync, mkdtempSync, openSync, closeSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { spawnSync } from 'node:child_process';
import {
  ENTRY_BYTES,
  FLAG_ASCII,
  FLAG_COMPLETE,
  FLAG_ELF,
  FLAG_FROZEN,
  FLAG_UTF8,
  HEADER_BYTES,
} from '../../stage/format/index-layout.ts';
import type { IndexResolution } from '../../stage/format/index-writer.ts';
import { listArchive } from '../../stage/pack/list.ts';
import { verifyArchive } from '../../stage/pack/verify.ts';
import { cli } from '../run-node.ts';
import { forgeApp, paxRecord, tarHeader, type ForgedEntry, type Forgery } from './forge.ts';

const scratch = mkdtempSync(join(tmpdir(), 'walla-verify-test-'));
after(() => {
  rmSync(scratch, { recursive: true });
});

const file = (path: string, more: Partial<ForgedEntry> = {}): ForgedEntry => ({
  path,
  kind: 'file',
  data: Buffer.from('x'),
  ...more,
});
const directory = (path: string, more: Partial<ForgedEntry> = {}): ForgedEntry => ({
  path,
  kind: 'directory',
  mode: 0o755,
  ...more,
});
const link = (path: string, linkText: string, more: Partial<ForgedEntry> = {}): ForgedEntry => ({
  path,
  kind: 'link',
  mode: 0o777,
  linkText,
  ...more,
});
const answer = (more: Partial<IndexResolution>): IndexResolution => ({
  directory: '',
  specifier: 'x',
  kind: 'import',
  outcome: 'builtin',
  text: 'node:fs',
  ...more,
});

async function verify(bytes: Buffer): Promise<unknown> {
  const path = join(scratch, 'archive');
  writeFileSync(path, bytes);
  return verifyArchive(path);
}

/** Where an entry's record is in an index with no entry before it but those that sort before. */
const record = (number: number) => HEADER_BYTES + number * ENTRY_BYTES;

/** A forgery, and what is said of it. Entry 0 is the root, entry 1 is app.mjs. */
const FORGERIES: Record<string, [extra: ForgedEntry[], told: RegExp, more?: Partial<Forgery>]> = {
  'an absolute name': [[file('/etc/passwd')], /\/etc\/passwd leads out/],
  'a name with ..': [[file('../evil')], /\.\.\/evil leads out/],
  'a name with .. inside': [[directory('z'), file('z/../../evil')], /leads out/],
  'a name with .': [[file('./evil')], /leads out/],
  'a name with an empty part': [[directory('z'), file('z//evil')], /leads out/],
  'a name of 4,096 characters': [[file('x'.repeat(4096))], /leads out/],
  'a name with a NUL': [[file('x\0y')], /leads out/],
  'a file whose directory is not packed': [[file('lost/x')], /the directory of lost\/x/],
  'a file below a file': [[file('z'), file('z/x')], /the directory of z\/x/],
  'a file below a link': [
    [link('z', '.', { linkTarget: '' }), file('z/x')],
    /the directory of z\/x/,
  ],
  'a name that is packed twice': [[file('z'), file('z')], /z is packed twice/],
  'a hard link': [[file('z', { header: { type: '1', linkname: 'app.mjs' } })], /tar header of z/],
  'a character device': [[file('z', { header: { type: '3' } })], /tar header of z/],
  'a block device': [[file('z', { header: { type: '4' } })], /tar header of z/],
  'a FIFO': [[file('z', { header: { type: '6' } })], /tar header of z/],
  'a sparse file of GNU tar': [[file('z', { header: { type: 'S' } })], /tar header of z/],
  'a sparse file of pax': [
    [
      file('z', {
        pax: paxRecord('GNU.sparse.major', '1') + paxRecord('GNU.sparse.realsize', '999'),
      }),
    ],
    /other fields than path/,
  ],
  'a size in a pax header': [[file('z', { pax: paxRecord('size', '999999') })], /other fields/],
  'another name in a pax header': [
    [file('z', { pax: paxRecord('path', '../z') })],
    /tar header of z/,
  ],
  'a name twice in a pax header': [
    [file('z', { pax: paxRecord('path', 'z') + paxRecord('path', 'z') })],
    /other fields/,
  ],
  'a global pax header': [[file('z', { header: { type: 'g' } })], /tar header of z/],
  'a setuid file': [[file('z', { header: { mode: 0o4755 } })], /z has mode 4755/],
  'a mode that is not the one of the index': [[file('z', { header: { mode: 0o777 } })], /mode 777/],
  'a mode with more than permissions': [
    [],
    /mode/,
    { index: (index) => index.writeUInt32LE(0o1000100644, record(1) + 32) },
  ],
  'another time in the header': [[file('z', { header: { mtimeSeconds: 7 } })], /modification time/],
  'an owner': [[file('z', { header: { uid: 1000 } })], /z has an owner/],
  'another size in the header': [[file('z', { header: { size: 0 } })], /tar header of z/],
  'a size of 8 GiB in the header': [[file('z', { header: { size: 2 ** 33 } })], /tar header of z/],
  'another link in the header': [
    [link('z', 'app.mjs', { linkTarget: 'app.mjs', header: { linkname: '/etc' } })],
    /the link z/,
  ],
  'a file with a link target in the header': [
    [file('z', { header: { linkname: 'app.mjs' } })],
    /the link z/,
  ],
  'a member that the index lacks': [
    [],
    /does not end where/,
    {
      body: (body) =>
        Buffer.concat([
          body.subarray(0, -1024),
          tarHeader({ name: '../evil' }),
          Buffer.alloc(1024),
        ]),
    },
  ],
  'an entry without a member': [
    [file('z', { header: null, data: Buffer.alloc(0) })],
    /no tar header/,
  ],
  'bytes behind the end': [
    [],
    /does not end where/,
    { body: (body) => Buffer.concat([body, Buffer.alloc(512)]) },
  ],
  'bytes in the end': [
    [],
    /does not end where/,
    {
      body: (body) => {
        body[body.length - 1] = 1;
        return body;
      },
    },
  ],
  'bytes in the padding of a file': [
    [],
    /padding behind app\.mjs/,
    {
      body: (body) => {
        body[body.length - 1025] = 1;
        return body;
      },
    },
  ],
  "data that is another file's": [
    [file('z')],
    /not where the index says/,
    {
      body: (body) => {
        body.copy(body, 512 + record(1) + 8, 512 + record(2) + 8, 512 + record(2) + 16);
        return body;
      },
    },
  ],
  'data outside of the archive': [[file('z', { size: 2 ** 40 })], /lies outside/],
  'a data offset that wraps around': [
    [],
    /lies outside/,
    {
      body: (body) => {
        body.writeBigUInt64LE(2n ** 64n - 512n, 512 + record(1) + 8);
        return body;
      },
    },
  ],
  'a link to another place than the index says': [
    [file('y'), link('z', 'y', { linkTarget: 'app.mjs' })],
    /the link z leads to y/,
  ],
  'a link that leads out and ends inside': [
    [file('y'), link('x', '..'), link('z', './y', { linkTarget: 'app.mjs' })],
    /the link z/,
  ],
  'a link whose target is a link': [
    [link('y', 'app.mjs', { linkTarget: 'app.mjs' }), link('z', 'y', { linkTarget: 'y' })],
    /does not end at/,
  ],
  'a link without a target': [[link('z', '')], /z has no target/],
  'a file with what only a link has': [[file('z', { linkText: 'x' })], /only a link has/],
  'a native that is none': [[file('z.node', { flags: FLAG_ELF })], /not what its flags say/],
  'a native that is not marked': [
    [file('z.node', { data: Buffer.from('\x7fELF') })],
    /not what its flags say/,
  ],
  'ASCII that is none': [
    [file('z', { data: Buffer.from('ü'), flags: FLAG_ASCII | FLAG_UTF8 })],
    /not what its flags say/,
  ],
  'UTF-8 that is none': [
    [file('z', { data: Buffer.from([0xff]), flags: FLAG_UTF8 })],
    /not what its flags say/,
  ],
  'an unknown flag': [[file('z', { flags: 128 })], /flags that no file has/],
  'a frozen directory outside of node_modules': [
    [directory('z', { flags: FLAG_COMPLETE | FLAG_FROZEN })],
    /marked as frozen/,
  ],
  'a package that is not frozen': [
    [directory('node_modules'), directory('node_modules/z')],
    /not marked as frozen/,
  ],
  'a package.json that is not above the file': [
    [directory('y'), file('y/package.json'), file('z', { scope: 'y/package.json' })],
    /not above it/,
  ],
  'a listing that lacks a packed file': [
    [directory('y', { listing: [] }), file('y/x')],
    /lacks what is packed/,
  ],
  'a listing with another type': [
    [directory('y', { listing: [{ name: 'x', type: 4 }] }), file('y/x')],
    /another y\/x than the index/,
  ],
  'a listing with a name that leads out': [
    [directory('y', { listing: [{ name: '..', type: 4 }] })],
    /no name to list/,
  ],
  'a listing that is not sorted': [
    [
      directory('y', {
        listing: [
          { name: 'b', type: 8 },
          { name: 'a', type: 8 },
        ],
      }),
    ],
    /not sorted/,
  ],
  'a listing record that nobody owns': [
    [directory('y', { listing: [{ name: 'a', type: 8 }] })],
    /belong to no directory|out of place/,
    { index: (index) => index.writeUInt32LE(0, record(2) + 52) },
  ],
  'a program that is not packed': [
    [],
    /program gone\.mjs is not packed/,
    { manifest: { entries: ['gone.mjs'] } },
  ],
  'no program': [[], /names no program/, { manifest: { entries: [] } }],
  'another fingerprint': [[], /fingerprint/, { manifest: { fingerprint: '0'.repeat(64) } }],
  'another sum of sizes': [[], /counts/, { manifest: { dataBytes: 7 } }],
  'another number of files': [
    [],
    /counts/,
    {
      manifest: {
        counts: { files: 2, directories: 1, links: 0, natives: 0, resolutions: 0, absent: 0 },
      },
    },
  ],
  'another number of resolutions': [
    [],
    /resolutions/,
    {
      manifest: {
        counts: { files: 1, directories: 1, links: 0, natives: 0, resolutions: 1, absent: 0 },
      },
    },
  ],
  'an answer that is no file': [
    [directory('y')],
    /makes no sense/,
    { resolutions: [answer({ outcome: 'file', file: 'y', text: '' })] },
  ],
  'an answer for what is no directory': [
    [],
    /makes no sense/,
    { resolutions: [answer({ directory: 'app.mjs' })] },
  ],
  'an error that is no error': [
    [],
    /makes no sense/,
    { resolutions: [answer({ outcome: 'absent', text: 'null' })] },
  ],
  'an answer given twice': [
    [],
    /resolution slot is wrong/,
    { resolutions: [answer({}), answer({ text: 'node:os' })] },
  ],
  'a path slot with another hash': [
    [],
    /path slot/,
    {
      index: (index) => {
        const at = record(2);
        for (let slot = at; slot < at + 32; slot += 8)
          if (index.readUInt32LE(slot + 4) === 1) index.writeUInt32LE(1, slot);
      },
    },
  ],
  'an entry that no path slot leads to': [
    [],
    /path slots do not lead/,
    {
      index: (index) => {
        const at = record(2);
        for (let slot = at; slot < at + 32; slot += 8)
          if (index.readUInt32LE(slot + 4) === 1) index.writeUInt32LE(0xffffffff, slot + 4);
      },
    },
  ],
  'a name that is not UTF-8': [
    [file('zzzz')],
    /not UTF-8/,
    {
      index: (index) => {
        index[index.indexOf('zzzz')] = 0xff;
      },
    },
  ],
  'a type that is neither file, directory nor link': [
    [],
    /no known type/,
    { index: (index) => index.writeUInt32LE(0o010644, record(1) + 32) },
  ],
};

for (const [name, [extra, told, more]] of Object.entries(FORGERIES)) {
  test(`verify refuses ${name}`, () =>
    assert.rejects(verify(forgeApp(extra, more)), {
      code: 'ERR_WALLA_ARCHIVE_DAMAGED',
      message: told,
    }));
}

const ALLOWED: Record<string, [extra: ForgedEntry[], more?: Partial<Forgery>]> = {
  'nothing but a program': [[]],
  'a name with newlines': [[file('new\nline.js')]],
  'names that differ only in case': [[file('Readme'), file('readme'), file('README')]],
  'names of 255 bytes, 4,000 in all': [
    Array.from({ length: 15 }, (_, depth) =>
      directory(Array.from({ length: depth + 1 }, () => 'd'.repeat(255)).join('/')),
    ),
  ],
  'a link that leads out: it is not followed': [[link('z', '/etc/passwd'), link('y', '../../..')]],
  'a link through a link': [
    [
      directory('d'),
      file('d/x'),
      link('e', 'd', { linkTarget: 'd' }),
      link('f', 'e/x', { linkTarget: 'd/x' }),
    ],
  ],
  'an answer of each kind': [
    [],
    {
      resolutions: [
        answer({}),
        answer({ specifier: 'y', outcome: 'file', file: 'app.mjs', text: '?query' }),
        answer({ specifier: 'z', kind: 'require', outcome: 'absent', text: '{"code":"X"}' }),
      ],
    },
  ],
};

for (const [name, [extra, more]] of Object.entries(ALLOWED)) {
  test(`verify accepts ${name}`, async () => {
    await verify(forgeApp(extra, more));
  });
}

describe('an archive of any size', () => {
  test('with 100,000 entries is verified and listed', async () => {
    const names = Array.from({ length: 100_000 }, (_, i) =>
      file(`f${String(i).padStart(6, '0')}`, { data: Buffer.alloc(0) }),
    );
    await verify(forgeApp(names));
    assert.equal((await listArchive(join(scratch, 'archive'))).entries.length, 100_002);
  });

  test('with 100,000 names of one hash is refused or verified, and ends', async () => {
    const names = Array.from({ length: 100_000 }, (_, i) =>
      file(`f${String(i).padStart(6, '0')}`, { data: Buffer.alloc(0) }),
    );
    const sameHash = (index: Buffer) => {
      const at = Number(index.readBigUInt64LE(48));
      const slots = Number(index.readBigUInt64LE(56));
      for (let slot = 0; slot < slots; slot++) index.writeUInt32LE(7, at + slot * 8);
    };
    await assert.rejects(verify(forgeApp(names, { index: sameHash })), {
      code: 'ERR_WALLA_ARCHIVE_DAMAGED',
    });
  });

  test('that a sparse file only claims is refused without reading it', async () => {
    const path = join(scratch, 'sparse');
    for (const size of [2 ** 34, 2 ** 40]) {
      for (const claim of ['index', 'manifest']) {
        const bytes = forgeApp([]);
        const bodyOffset = 512 + parseInt(bytes.toString('latin1', 124, 136), 8);
        const at = claim === 'index' ? bodyOffset : 0;
        const name = claim === 'index' ? '.walla/index' : '.walla/manifest.json';
        tarHeader({ name, size: size - bodyOffset }).copy(bytes, at);
        writeFileSync(path, bytes);
        const fd = openSync(path, 'r+');
        ftruncateSync(fd, size);
        closeSync(fd);
        await assert.rejects(verifyArchive(path), { code: 'ERR_WALLA_ARCHIVE_DAMAGED' });
        await assert.rejects(listArchive(path), { code: 'ERR_WALLA_ARCHIVE_DAMAGED' });
      }
    }
    rmSync(path);
  });
});

describe('the commands that read an archive', () => {
  const run = (...args: string[]) =>
    spawnSync(process.execPath, [cli, ...args], { encoding: 'utf8', timeout: 60_000 });

  test('do not wait for a FIFO, and call it no file', () => {
    const fifo = join(scratch, 'fifo');
    assert.equal(spawnSync('mkfifo', [fifo]).status, 0);
    for (const command of ['verify', 'ls']) {
      const { status, signal, stderr } = run(command, fifo);
      assert.deepEqual([status, signal], [1, null]);
      assert.match(stderr, /ERR_WALLA_ARCHIVE_FORMAT: .* is not a file/);
    }
  });

  test('print no control character of a name', () => {
    const path = join(scratch, 'escapes');
    const evil = 'a\x1b[31m\nwalla: is whole\u009b\u202e.js';
    writeFileSync(path, forgeApp([file(evil)]));
    const { status, stdout } = run('ls', '--long', path);
    assert.equal(status, 0);
    assert.equal(stdout.trim().split('\n').length, 3);
    // eslint-disable-next-line no-control-regex
    assert.doesNotMatch(stdout, /[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]/);
    writeFileSync(path, forgeApp([file(evil, { header: { uid: 7 } })]));
    const { stderr } = run('verify', path);
    // eslint-disable-next-line no-control-regex
    assert.doesNotMatch(stderr, /[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]/);
    assert.match(stderr, /ERR_WALLA_ARCHIVE_DAMAGED/);
  });

  test('refuse a text of the table that is no JSON', () => {
    const path = join(scratch, 'text');
    writeFileSync(path, forgeApp([], { resolutions: [answer({ outcome: 'absent', text: '{' })] }));
    const { status, stderr } = run('ls', '--json', path);
    assert.equal(status, 1);
    assert.match(stderr, /ERR_WALLA_ARCHIVE_DAMAGED/);
  });
});
