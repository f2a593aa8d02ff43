/** Sends files of all sizes from every root; checks content and digest on every rank. */
import assert from 'node:assert/strict';
import { closeSync, ftruncateSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { world } from '../../../native/mpi.ts';
import { pieceDigestOf } from '../../piece-digest-of.ts';

const directory = process.argv[2] ?? '';
const { rank, size } = world;
const source = join(directory, 'source');
const target = join(directory, `target-${rank}`);

function openTarget(bytes: number): number {
  const fd = openSync(target, 'w+');
  ftruncateSync(fd, bytes);
  return fd;
}

function content(bytes: number): Buffer {
  const data = Buffer.alloc(bytes);
  for (let i = 0; i < bytes; i++) data[i] = (i * 31 + (i >> 8)) & 0xff;
  return data;
}

for (const chunkBytes of [64, 4096]) {
  const sizes = [
    0,
    1,
    chunkBytes - 1,
    chunkBytes,
    chunkBytes + 1,
    10 * chunkBytes + 7,
    70 * chunkBytes,
  ];
  for (const bytes of sizes) {
    const data = content(bytes);
    for (let root = 0; root < size; root++) {
      for (const rootReceives of [true, false]) {
        const hashFrom = Math.min(bytes, 13 * root);
        if (rank === root) writeFileSync(source, data);
        const sourceFd = rank === root ? openSync(source, 'r') : -1;
        const targetFd = rank === root && !rootReceives ? -1 : openTarget(bytes);
        const told: number[] = [];
        const digest = world.broadcastFile({
          root,
          sourceFd,
          targetFd,
          bytes,
          hashFrom,
          chunkBytes,
          onProgress: (done) => told.push(done),
        });
        const expected = pieceDigestOf(data.subarray(hashFrom));
        assert.equal(digest, expected, `${bytes} bytes from ${root} in chunks of ${chunkBytes}`);
        if (targetFd !== -1) assert.ok(readFileSync(target).equals(data));
        assert.equal(told.at(-1) ?? 0, bytes);
        assert.ok(told.every((done, at) => done >= (told[at - 1] ?? 0)));
        if (sourceFd !== -1) closeSync(sourceFd);
        if (targetFd !== -1) closeSync(targetFd);
        world.barrier();
      }
    }
  }
}

// A source that turns out shorter than the archive said, found before anything is sent.
for (let root = 0; root < size; root++) {
  const sourceFd = rank === root ? openSync(source, 'w+') : -1;
  const targetFd = openTarget(5000);
  assert.throws(() => world.broadcastFile({ root, sourceFd, targetFd, bytes: 5000 }), {
    code: 'ERR_WALLA_TRANSFER',
    message: new RegExp(`fstat of the source failed on rank ${root} at byte 0 of 5000`),
  });
  if (sourceFd !== -1) closeSync(sourceFd);
  closeSync(targetFd);
}

// A source that cannot be read once the transfer runs: a directory passes every check before.
for (let root = 0; root < size; root++) {
  const sourceFd = rank === root ? openSync(directory, 'r') : -1;
  const targetFd = openTarget(1000);
  assert.throws(
    () => world.broadcastFile({ root, sourceFd, targetFd, bytes: 40, chunkBytes: 1 }),
    (error: Error) => {
      const { cause } = error as { cause?: { errno: number; syscall: string; rank: number } };
      assert.match(
        error.message,
        new RegExp(`pread of the source failed on rank ${root} at byte 0 `),
      );
      assert.deepEqual([cause?.errno, cause?.syscall, cause?.rank], [-21, 'pread', root]);
      return true;
    },
  );
  if (sourceFd !== -1) closeSync(sourceFd);
  closeSync(targetFd);
}

// A target that is too short on one rank, and one that cannot be written there.
for (let failing = 0; failing < size; failing++) {
  writeFileSync(join(directory, `own-${rank}`), content(100));
  const sourceFd = openSync(join(directory, `own-${rank}`), 'r');
  for (const how of ['short', 'read-only']) {
    const good = openTarget(rank === failing && how === 'short' ? 50 : 100);
    const readOnly = openSync(target, 'r');
    const targetFd = rank === failing && how === 'read-only' ? readOnly : good;
    assert.throws(() => world.broadcastFile({ root: 0, sourceFd, targetFd, bytes: 100 }), {
      code: 'ERR_WALLA_TRANSFER',
      message: new RegExp(
        how === 'short'
          ? `fstat of the target failed on rank ${failing} at byte 50 of 100: the file ends there`
          : `(mmap|pwrite) of the target failed on rank ${failing} .*(Permission denied|EBADF)`,
      ),
    });
    closeSync(good);
    closeSync(readOnly);
  }
  closeSync(sourceFd);
}

// Who throws in the middle does so when all is over, and alone.
{
  const [sourceFd, targetFd] = [openSync(join(directory, `own-${rank}`), 'r'), openTarget(100)];
  let calls = 0;
  const refuse = (): void => {
    calls++;
    throw new Error(`refused by ${rank}`);
  };
  const broadcast = () =>
    world.broadcastFile({
      root: 0,
      sourceFd,
      targetFd,
      bytes: 100,
      chunkBytes: 1,
      ...(rank === size - 1 && { onProgress: refuse }),
    });
  if (rank === size - 1) assert.throws(broadcast, new RegExp(`refused by ${rank}`));
  else assert.doesNotThrow(broadcast);
  assert.equal(calls, rank === size - 1 ? 1 : 0);
  assert.ok(readFileSync(target).equals(content(100)));
  closeSync(sourceFd);
  closeSync(targetFd);
  assert.throws(() => world.broadcastFile({ root: 0, bytes: 1, onProgress: 1 as never }), {
    code: 'ERR_WALLA_OPTION',
    message: /onProgress must be a function, not 1/,
  });
}

// Ranks that mean different transfers.
if (size > 1) {
  const targetFd = openTarget(100);
  const sourceFd = openSync(join(directory, `own-${rank}`), 'r');
  assert.throws(
    () => world.broadcastFile({ root: 0, sourceFd, targetFd, bytes: 90 + (rank === 0 ? 1 : 0) }),
    {
      code: 'ERR_WALLA_MPI',
      message: /ranks disagree on bytes of a file broadcast: from 90 to 91/,
    },
  );
  closeSync(targetFd);
  closeSync(sourceFd);
}

world.barrier();
rmSync(target);
console.log('files agree');
