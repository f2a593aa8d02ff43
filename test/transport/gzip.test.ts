/** Compressed archives, named by path. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { cli, leftBehind, mpis, type Outcome, runNode } from '../run-node.ts';
import { Fixture } from './run.ts';

const FILES = {
  'app.mjs': `import { words } from './words.mjs';\nconsole.log('app says', words.length);\n`,
  'words.mjs': `export const words = ${JSON.stringify('word '.repeat(100_000))};\n`,
};
const SAYS = 'app says 500000\n';

describe('a compressed archive', () => {
  let fixture: Fixture;
  let bytes: Buffer;

  before(() => {
    fixture = new Fixture(FILES);
    bytes = readFileSync(fixture.archive);
  });
  after(() => fixture.remove());

  /** Runs the program with these bytes as its archive. */
  const run = async (
    archive: Buffer,
    options: Parameters<Fixture['start']>[1] = {},
  ): Promise<Outcome> => {
    const base = fixture.directory('base');
    const path = join(fixture.directory('archive'), 'app.walla.gz');
    writeFileSync(path, archive);
    const outcome = await fixture.start({ WALLA_DIR: base, WALLA_ARCHIVE: path }, options).done;
    assert.deepEqual(leftBehind(base), []);
    assert.deepEqual(readdirSync(base), []);
    return outcome;
  };
  const assertRan = ({ status, stdout, stderr }: Outcome, ranks = 1): void =>
    assert.deepEqual(
      { status, stdout, stderr },
      { status: 0, stdout: SAYS.repeat(ranks), stderr: '' },
    );

  test('of walla pack --gzip is staged', async () => {
    const archive = join(fixture.root, 'packed.walla');
    const packed = runNode([
      cli,
      'pack',
      '--gzip',
      '-q',
      '-o',
      archive,
      fixture.app.path('app.mjs'),
    ]);
    assert.equal(packed.status, 0, packed.stderr);
    const name = readdirSync(fixture.root).find((name) => /^packed.*gz$/.test(name)) ?? '';
    assertRan(await run(readFileSync(join(fixture.root, name))));
  });

  test('of several members, with a name and a comment, is staged', async () => {
    const middle = bytes.length >> 1;
    const named = gzipSync(bytes.subarray(0, middle));
    named.writeUInt8(8, 3);
    const withName = Buffer.concat([
      named.subarray(0, 10),
      Buffer.from('app\0'),
      named.subarray(10),
    ]);
    assertRan(await run(Buffer.concat([withName, gzipSync(bytes.subarray(middle))])));
  });

  for (const mpi of mpis)
    test(`is staged on ranks of ${mpi.abi}`, { skip: mpi.skip }, async () => {
      assertRan(await run(gzipSync(bytes), { mpi, ranks: 2 }), 2);
    });

  const damages: [string, () => Buffer, RegExp][] = [
    [
      'is a bomb',
      () => gzipSync(Buffer.concat([bytes, Buffer.alloc(256 << 20)])),
      /longer than the \d+ bytes/,
    ],
    [
      'is a bomb from the first byte',
      () => gzipSync(Buffer.alloc(256 << 20)),
      /not a walla archive/,
    ],
    [
      'goes on in empty members',
      () => Buffer.concat([gzipSync(bytes), ...Array<Buffer>(200_000).fill(gzipSync(''))]),
      /goes on after its archive's end/,
    ],
    [
      'is cut off in the middle',
      () => gzipSync(bytes).subarray(0, gzipSync(bytes).length >> 1),
      /cut off|unpacked/,
    ],
    [
      'is cut off in its header',
      () => gzipSync(bytes).subarray(0, 5),
      /cut off|unpacked|not a walla/,
    ],
    [
      'holds half an archive',
      () => gzipSync(bytes.subarray(0, bytes.length >> 1)),
      /cut off after \d+ of \d+ bytes/,
    ],
    ['holds another file', () => gzipSync('just text'), /not a walla archive/],
    [
      'holds a changed byte',
      () => {
        const other = Buffer.from(bytes);
        other.writeUInt8(other.readUInt8(bytes.length >> 1) ^ 1, bytes.length >> 1);
        return gzipSync(other);
      },
      /digest/,
    ],
    [
      'has changed bytes',
      () => {
        const packed = gzipSync(bytes);
        return Buffer.from(packed).fill(0xff, packed.length >> 1, (packed.length >> 1) + 40);
      },
      /unpacked|digest|cut off|longer/,
    ],
  ];
  for (const [what, archive, message] of damages) {
    test(`that ${what} is refused`, async () => {
      const { status, stdout, stderr } = await run(archive());
      assert.match(stderr, /^walla: ERR_WALLA_ARCHIVE_(DAMAGED|FORMAT): .*app\.walla\.gz/);
      assert.match(stderr, message);
      assert.deepEqual({ status, stdout }, { status: 1, stdout: '' });
    });
  }

  test('that is a FIFO is refused at once, and not waited for', async () => {
    const path = join(fixture.root, 'fifo.gz');
    assert.equal(spawnSync('mkfifo', [path]).status, 0);
    const base = fixture.directory('base');
    const { stderr } = await fixture.start({ WALLA_DIR: base, WALLA_ARCHIVE: path }).done;
    assert.match(stderr, /ERR_WALLA_ARCHIVE_FORMAT: .*fifo\.gz is not a file/);
  });

  test('is refused when the source tree changed', async () => {
    const own = new Fixture(FILES);
    try {
      const path = `${own.archive}.gz`;
      writeFileSync(path, gzipSync(readFileSync(own.archive)));
      rmSync(own.archive);
      own.app.write('words.mjs', 'export const words = "edited";\n');
      const { stderr } = await own.start({ WALLA_DIR: own.root, WALLA_ARCHIVE: path }).done;
      assert.match(stderr, /ERR_WALLA_STALE: .*words\.mjs was changed/);
    } finally {
      own.remove();
    }
  });
});
