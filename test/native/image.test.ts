/** A mapped image as JavaScript sees it, against the contract of native/addon.ts. */
import assert from 'node:assert/strict';
import { closeSync, openSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { before, describe, test } from 'node:test';
import { Worker } from 'node:worker_threads';
import { addonPath } from '../../native/addon-path.ts';
import type { NativeImage } from '../../native/addon.ts';
import {
  FLAG_ASCII,
  KIND_IMPORT,
  KIND_REQUIRE,
  OUTCOME_ABSENT,
  OUTCOME_BUILTIN,
  OUTCOME_FILE,
} from '../../stage/format/index-layout.ts';
import {
  LONG_ASCII,
  MIXED,
  NODES,
  RULES,
  addon,
  failsWith,
  openImage,
  scratch,
} from './image-fixture.ts';
import { tarImage } from './tar-image.ts';

describe('an image', () => {
  let image: NativeImage;
  let bytes: Buffer;
  before(() => {
    bytes = tarImage(NODES, RULES);
    image = openImage(bytes, ['/app/', '/real/app']);
  });

  test('says how large it is and what it holds', () => {
    assert.equal(image.imageBytes, bytes.length);
    assert.equal(image.entryCount, NODES.length);
    assert.equal(image.resolutionCount, RULES.length);
  });

  test('finds a path under every root and answers with the first', () => {
    const entry = image.find('/app/app.mjs', true);
    assert.ok(entry >= 0);
    assert.equal(image.find('/real/app/app.mjs', false), entry);
    assert.equal(image.path(entry), '/app/app.mjs');
    assert.equal(image.path(image.find('/real/app', true)), '/app');
    assert.equal(image.path(image.find('/app/übung', true)), '/app/übung');
  });

  test('tells unknown from absent from below a file', () => {
    assert.equal(image.find('/elsewhere/app.mjs', true), -1);
    assert.equal(image.find('/application', true), -1);
    assert.equal(image.find('/app/data.json', true), -1);
    assert.equal(image.find('/app/node_modules/left/README', true), -1);
    assert.equal(image.find('/app/node_modules/gone/index.js', true), -2);
    assert.equal(image.find('/app/link/gone', true), -2);
    assert.equal(image.find('/app/app.mjs/x', true), -3);
    assert.equal(image.find('/app/loose', true), -1);
  });

  test('reads a path longer than the stack buffer', () => {
    assert.equal(image.find(`/app/node_modules/${'ü'.repeat(5000)}`, true), -2);
    for (let length = 4080; length < 4110; length++) {
      assert.equal(image.find(`/app/node_modules/`.padEnd(length, 'x'), true), -2);
    }
  });

  test('follows links', () => {
    const left = image.find('/app/node_modules/left', true);
    const link = image.find('/app/link', false);
    assert.equal(image.find('/app/link', true), left);
    assert.equal(image.linkText(link), 'node_modules/left');
    assert.equal(image.linkTarget(link), left);
    assert.equal(image.linkTarget(image.find('/app/loose', false)), -1);
    assert.equal(
      image.path(image.find('/app/link/package.json', false)),
      '/app/node_modules/left/package.json',
    );
  });

  test('resolves to a file, a builtin, an absence, or not at all', () => {
    const left = image.find('/app/node_modules/left/left.node', true);
    assert.equal(image.resolve(KIND_IMPORT, '/app/app.mjs', 'left'), left);
    assert.equal(image.resolve(KIND_IMPORT, '/real/app/never-packed.mjs', 'left'), left);
    assert.equal(image.resolve(KIND_REQUIRE, '/app/app.mjs', 'left'), -1);
    assert.equal(image.resolve(KIND_IMPORT, '/app/node_modules/x.js', 'left'), -1);
    assert.equal(image.resolve(KIND_IMPORT, '/elsewhere/app.mjs', 'left'), -1);
    const resolution = (kind: number, parent: string, specifier: string) => {
      const found = image.resolve(kind, parent, specifier);
      assert.ok(found < -1);
      return image.resolution(-(found + 2));
    };
    assert.deepEqual(resolution(KIND_IMPORT, '/app/x.mjs', './app.mjs?a#b'), [
      OUTCOME_FILE,
      '?a#b',
      image.find('/app/app.mjs', true),
    ]);
    assert.deepEqual(resolution(KIND_REQUIRE, '/app/x.js', 'fs'), [OUTCOME_BUILTIN, 'fs', -1]);
    assert.deepEqual(resolution(KIND_REQUIRE, '/app/node_modules/left/i.js', 'gone'), [
      OUTCOME_ABSENT,
      '{"code":"MODULE_NOT_FOUND"}',
      -1,
    ]);
    assert.throws(() => image.resolution(1e6), failsWith('ERR_WALLA_ARCHIVE_DAMAGED'));
  });

  test('gives content as text and as bytes', () => {
    const entry = (path: string) => image.find(`/app/${path}`, true);
    assert.equal(image.text(entry('app.mjs')), LONG_ASCII);
    assert.equal(image.text(entry('package.json')), '{}');
    assert.equal(image.text(entry('empty.js')), '');
    assert.equal(image.bytes(entry('empty.js')).length, 0);
    assert.deepEqual(image.bytes(entry('mixed.js')), MIXED);
    assert.throws(() => image.text(entry('node_modules')), failsWith('ERR_WALLA_ARCHIVE_DAMAGED'));
  });

  test('decodes text as Node.js does, and keeps the byte-order mark', () => {
    const text = image.text(image.find('/app/mixed.js', true));
    assert.equal(text.charCodeAt(0), 0xfeff);
    assert.equal(text, MIXED.toString('utf8'));
  });

  test('gives copies: writing to them leaves the image alone', () => {
    const entry = image.find('/app/app.mjs', true);
    image.bytes(entry).fill(0);
    assert.equal(image.text(entry), LONG_ASCII);
  });

  test('knows format, flags, scope and status', () => {
    const entry = image.find('/app/app.mjs', true);
    const out = new Float64Array(4);
    assert.equal(image.format(entry), 2);
    assert.equal(image.flags(entry), FLAG_ASCII);
    assert.equal(image.scope(entry), '/app/package.json');
    assert.equal(
      image.scope(image.find('/app/link/left.node', true)),
      '/app/node_modules/left/package.json',
    );
    image.stat(entry, out);
    assert.deepEqual([...out], [0o100644, LONG_ASCII.length, 1_700_000_000, 123_456_789]);
    image.stat(image.find('/app/mixed.js', true), out);
    assert.deepEqual([...out.subarray(2)], [-1, 999_999_999]);
  });

  test('lists directories whose listing is complete', () => {
    const listing = image.listing(image.find('/app/node_modules/left', true));
    assert.deepEqual(listing?.names, ['README', 'left.node', 'package.json']);
    assert.deepEqual(listing.types, Uint8Array.of(8, 8, 8));
    assert.equal(image.listing(image.find('/app/übung', true)), undefined);
    assert.equal(image.listing(image.find('/app/app.mjs', true)), undefined);
  });

  test('refuses entry numbers that are none', () => {
    for (const number of [-1, NODES.length, 2 ** 32, 2 ** 53]) {
      assert.throws(() => image.path(number), failsWith('ERR_WALLA_ARCHIVE_DAMAGED'));
      assert.throws(() => image.text(number), failsWith('ERR_WALLA_ARCHIVE_DAMAGED'));
    }
  });

  test('works with the file system root as root', () => {
    const rooted = openImage(bytes, ['/'], 'rooted');
    assert.equal(rooted.path(rooted.find('/app.mjs', true)), '/app.mjs');
    assert.equal(rooted.path(rooted.find('/', true)), '/');
    assert.ok(rooted.resolve(KIND_IMPORT, '/x.mjs', 'left') >= 0);
  });

  test('is told from every other object', () => {
    const fd = openSync(scratch, 'r');
    for (const other of [{}, null, 1, Object.create(image) as object, new Map()]) {
      assert.throws(() => addon.extractElf(other as NativeImage, fd), TypeError);
    }
    closeSync(fd);
    const Constructor = image.constructor as new () => NativeImage;
    assert.throws(() => new Constructor(), TypeError);
    assert.throws(() => image.find.call({} as NativeImage, '/app', true), TypeError);
    assert.throws(() => image.find(1 as unknown as string, true), TypeError);
  });

  test('outlives the file it came from and the worker that opened it', async () => {
    const path = join(scratch, 'worker-image');
    writeFileSync(path, bytes);
    const code = `
      const { parentPort, workerData } = require('node:worker_threads');
      const fs = require('node:fs');
      const module_ = { exports: {} };
      process.dlopen(module_, workerData.addon);
      const image = module_.exports.openImage(fs.openSync(workerData.path, 'r'), ['/app']);
      const text = image.text(image.find('/app/app.mjs', true));
      parentPort.postMessage(text);
      setInterval(() => image.find('/app/node_modules/gone', true), 1);`;
    const workers = Array.from(
      { length: 3 },
      () =>
        new Worker(code, {
          eval: true,
          workerData: { path, addon: addonPath('walla') },
          execArgv: [],
        }),
    );
    const texts = await Promise.all(
      workers.map(
        (worker) => new Promise((done, fail) => worker.once('message', done).once('error', fail)),
      ),
    );
    assert.deepEqual(texts, [LONG_ASCII, LONG_ASCII, LONG_ASCII]);
    await Promise.all(workers.map((worker) => worker.terminate()));
    const mine = openImage(bytes, ['/app'], 'worker-image');
    rmSync(path);
    assert.equal(mine.text(mine.find('/app/app.mjs', true)), LONG_ASCII);
  });
});

test('an archive that is cut off or is none is refused as damaged', () => {
  const bytes = tarImage(NODES, RULES);
  for (const length of [0, 1, 511, 512, 1024, 1536, 2000, bytes.length - 1]) {
    assert.throws(
      () => openImage(bytes.subarray(0, length), ['/app'], `cut-${length}`),
      failsWith('ERR_WALLA_ARCHIVE_DAMAGED'),
    );
  }
  assert.throws(
    () => openImage(Buffer.alloc(100_000, 'x'), ['/app'], 'noise'),
    failsWith('ERR_WALLA_ARCHIVE_DAMAGED'),
  );
  assert.throws(() => addon.openImage(-1, ['/app']), failsWith('EBADF'));
});
