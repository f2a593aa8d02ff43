import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as tar from 'tar-stream';
import {
  decodeHeader,
  decodePax,
  headerBytes,
  paxFields,
  type TarMember,
} from '../../stage/format/tar-header.ts';

const MEMBERS: Record<string, Partial<TarMember>> = {
  'a plain name': { name: 'a/b.js' },
  'a name of 100 bytes': { name: 'n'.repeat(100) },
  'a name of 101 bytes': { name: 'n'.repeat(101) },
  'a long directory': { name: 'd/'.repeat(120), type: 'directory' },
  'a name that is not ASCII': { name: 'ünï😀' },
  'a name with a line break': { name: 'a\nb=c' },
  'a long link': { name: 'l', type: 'symlink', linkname: '../'.repeat(60) },
  'a time before 1970': { name: 'old', mtimeSeconds: -5 },
  'a time after 2038': { name: 'new', mtimeSeconds: 2 ** 32 },
  // The length of a pax record counts its own digits: these sit where it grows by one.
  ...Object.fromEntries(
    Array.from({ length: 14 }, (_, i) => [
      `a path of ${88 + i * 1} ü`,
      { name: 'ü'.repeat(42 + i) },
    ]),
  ),
};

for (const [name, fields] of Object.entries(MEMBERS)) {
  test(`knows how much room tar-stream takes for ${name}`, async () => {
    const member: TarMember = {
      name: '',
      type: 'file',
      mode: 0o644,
      size: 0,
      mtimeSeconds: 0,
      ...fields,
    };
    const pax = paxFields(member);
    const pack = tar.pack();
    const { mode, type, linkname } = member;
    const mtime = new Date(0);
    pack
      .entry({
        name: member.name,
        mode,
        type,
        mtime,
        size: 0,
        ...(linkname === undefined ? {} : { linkname }),
        ...(pax === undefined ? {} : { pax }),
      })
      .end(null);
    pack.finalize();
    const chunks: Buffer[] = [];
    for await (const chunk of pack as AsyncIterable<Buffer>) chunks.push(chunk);
    const bytes = Buffer.concat(chunks);
    assert.equal(headerBytes(member), bytes.length - 1024);

    const first = decodeHeader(bytes);
    const own = decodeHeader(bytes.subarray(headerBytes(member) - 512));
    if (pax === undefined) assert.equal(own?.name, member.name);
    else {
      const records = decodePax(bytes.subarray(512, 512 + (first?.size ?? 0)));
      assert.equal(records?.get('path'), member.name);
      assert.equal(records.get('linkpath'), member.linkname);
    }
  });
}

test('a block that is no header is none', () => {
  assert.equal(decodeHeader(Buffer.alloc(512)), undefined);
  assert.equal(decodeHeader(Buffer.alloc(100)), undefined);
});
