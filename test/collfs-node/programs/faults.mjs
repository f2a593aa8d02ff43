/**
 * What goes wrong is the same error on all ranks, and never a hang.
 *
 *     faults.mjs DIRECTORY [release]
 */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';

import * as collfs from 'walla/collfs';
import { release, world } from 'walla/mpi';

const { rank, size } = world;
const [directory] = process.argv.slice(2);
const file = join(directory, 'file');
const last = size - 1;
if (rank === 0) {
  fs.writeFileSync(file, 'content');
  execFileSync('mkfifo', [join(directory, 'fifo')]);
}
world.barrier();

/** The error of `call`, which all ranks must have alike. */
function sameError(call) {
  let thrown;
  try {
    call();
  } catch (error) {
    thrown = error;
  }
  assert.ok(thrown instanceof Error, 'nothing was thrown');
  const { name, message, code, errno, rank: guilty, hint } = thrown;
  const mine = { name, message, code, errno, guilty, hint };
  const all = world.gatherJson(mine, 0);
  for (const each of all ?? []) assert.deepEqual(each, all[0]);
  return thrown;
}

function works() {
  assert.equal(collfs.readFileSync(file, 'utf8'), 'content');
}

collfs.push(world);
works();

// A pipe would keep its reader waiting.
const refused = sameError(() => collfs.openSync(join(directory, 'fifo')));
assert.equal(refused.code, 'ERR_COLLFS_TYPE');
assert.ok(refused instanceof collfs.CollfsError);

if (size > 1) {
  // Another path, another operation, another batch, another root.
  const path = rank === last ? `${file}.of-the-last` : file;
  const divergent = [
    () => collfs.openSync(path),
    () => collfs.statSync(path),
    () => collfs.readdirSync(path),
    () => collfs.realpathSync(path),
    () => collfs.statManySync([file, path]),
    () => collfs.openManySync(rank === last ? [file] : [file, file]),
    () => (rank === last ? collfs.existsSync(file) : collfs.statSync(file)),
    () => collfs.setRoot(rank === last ? 0 : last),
  ];
  for (const call of divergent) {
    const error = sameError(call);
    assert.equal(error.code, 'ERR_COLLFS_DIVERGED', String(error));
    assert.match(error.message, new RegExp(`rank ${last}@`));
    works();
  }

  // A rank without descriptors: nobody gets one.
  const kept = [];
  if (rank === last) {
    try {
      for (;;) kept.push(fs.openSync('/dev/null'));
    } catch (error) {
      assert.equal(error.code, 'EMFILE');
    }
  }
  const lacking = sameErrorWithout(() => collfs.openSync(file), kept);
  assert.equal(lacking.code, 'ERR_COLLFS_LOCAL');
  assert.equal(lacking.rank, last);
  works();
}

/** As sameError, but gives descriptors back before anything else is done. */
function sameErrorWithout(call, fds) {
  return sameError(() => {
    try {
      call();
    } finally {
      for (const fd of fds) fs.closeSync(fd);
    }
  });
}

collfs.pop();

if (size > 1) {
  // A rank that does not come is named by the others.
  collfs.configure({ timeoutMs: 300 });
  collfs.push(world);
  if (rank !== last) {
    assert.throws(
      () => collfs.statSync(file),
      (error) => {
        assert.equal(error.code, 'ERR_COLLFS_TIMEOUT');
        assert.match(error.message, new RegExp(`rank ${last}\\b`));
        return true;
      },
    );
    assert.throws(() => collfs.statSync(file), { code: 'ERR_COLLFS_TIMEOUT' });
  }
  world.barrier();
  if (rank === last) assert.throws(() => collfs.statSync(file), { code: /ERR_COLLFS_/ });
  world.barrier();
  collfs.pop();
  collfs.configure({ timeoutMs: 0 });
  collfs.push(world);
  works();
  collfs.pop();

  // Unchecked, what needs nothing from the other ranks trusts them.
  collfs.configure({ checked: false });
  collfs.push(world);
  const { size: bytes } = collfs.statSync(rank === last ? `${file}.of-the-last` : file);
  assert.equal(bytes, 'content'.length);
  collfs.pop();
}

// A thread of its own has a stack of its own.
const worker = new Worker(
  `import { workerData, parentPort } from 'node:worker_threads';
   const collfs = await import(workerData.collfs);
   let code;
   try { collfs.push(); } catch (error) { code = error.code; }
   parentPort.postMessage([collfs.depth(), collfs.readFileSync(workerData.file, 'utf8'), code]);`,
  { eval: true, workerData: { file, collfs: import.meta.resolve('walla/collfs') } },
);
collfs.push(world);
const [told] = await new Promise((resolve, reject) => {
  worker.once('error', reject).once('message', (...words) => resolve(words));
});
assert.deepEqual(told, [0, 'content', 'ERR_WALLA_MPI']);
works();

if (process.argv[3] === 'release') {
  // MPI ends below a communicator that is pushed.
  release();
  assert.throws(() => collfs.statSync(file), { code: 'ERR_COLLFS_MPI', hint: /pop/ });
  collfs.pop();
  works();
}
console.log('faults are alike');
