/** Checks every collective on this job's ranks, every rank taking a turn as root. */
import assert from 'node:assert/strict';

import { node, world } from '../../../native/mpi.ts';

const { rank, size } = world;
assert.equal(size, Number(process.argv[2]));
assert.equal(world.nodeSize, size, 'the test runs on one node');
assert.equal(world.nodeRank, rank);
assert.equal(node.size, size);

for (let root = 0; root < size; root++) {
  for (const length of [0, 1, 1000, 3 << 20]) {
    const bytes = new Uint8Array(length).fill(rank === root ? 100 + root : 0);
    assert.equal(world.bcast(bytes, root), bytes);
    assert.ok(bytes.every((byte) => byte === 100 + root));
  }

  const part = new Float64Array(8).fill(rank === root ? 0.5 : 0);
  world.bcast(part.subarray(2, 5), root);
  assert.deepEqual([...part], rank === root ? Array(8).fill(0.5) : [0, 0, 0.5, 0.5, 0.5, 0, 0, 0]);

  const value = { text: 'żółw 🐢', list: [1, null, { root }] };
  assert.deepEqual(world.bcastJson(rank === root ? value : 'ignored', root), value);
  assert.equal(world.bcastJson(undefined, root), undefined);
  const cyclic: Record<string, unknown> = {};
  cyclic['self'] = cyclic;
  assert.throws(() => world.bcastJson(rank === root ? cyclic : 1, root), {
    code: 'ERR_WALLA_OPTION',
    message: new RegExp(`rank ${root} is no JSON.*circular`, 's'),
  });

  // Rank r sends r bytes of value r: rank 0 sends none.
  const pieces = world.gather(Buffer.alloc(rank, rank), root);
  if (rank === root) {
    assert.deepEqual(
      pieces,
      Array.from({ length: size }, (_, from) => Buffer.alloc(from, from)),
    );
  } else {
    assert.equal(pieces, undefined);
  }

  const values = world.gatherJson({ rank }, root);
  const expected = Array.from({ length: size }, (_, from) => ({ rank: from }));
  assert.deepEqual(values, rank === root ? expected : undefined);
}

assert.deepEqual(
  world.allgather(Uint16Array.of(rank, 7)),
  Array.from({ length: size }, (_, from) => Buffer.from(Uint16Array.of(from, 7).buffer)),
);

const sum = (size * (size - 1)) / 2;
assert.equal(world.allreduce(rank), sum);
assert.equal(world.allreduce(rank + 0.5, 'min'), 0.5);
assert.equal(world.allreduce(rank, 'max', { patient: true }), size - 1);
assert.equal(world.allreduce(BigInt(rank) - (1n << 62n), 'max'), BigInt(size - 1) - (1n << 62n));
const array = BigInt64Array.of(BigInt(rank), 1n);
assert.equal(world.allreduce(array), array);
assert.deepEqual([...array], [BigInt(sum), BigInt(size)]);
// Whether a rank waits patiently is its own choice.
world.barrier({ patient: rank % 2 === 0 });

// Odd and even ranks, counted backwards; the last rank is in neither.
const inPart = size === 1 || rank < size - 1;
const half = world.split(inPart ? rank % 2 : undefined, -rank);
assert.equal(half !== undefined, inPart);
if (half) {
  const members = half.allgather(Uint8Array.of(rank)).map((piece) => piece[0] ?? -1);
  assert.ok(members.every((member) => member % 2 === rank % 2));
  assert.deepEqual(
    members,
    [...members].sort((a, b) => b - a),
  );
  half.free();
  half.free();
}
const again = world.splitByNode();
assert.equal(again.allreduce(1), size);
again.free();
if (size > 1) {
  assert.throws(() => again.barrier(), { code: 'ERR_WALLA_MPI', message: /has been freed/ });
}

// Wrong arguments are refused before MPI hears of them.
const refused: [call: () => unknown, message: RegExp][] = [
  [() => world.bcast(Buffer.alloc(1), size), /root must be an integer from 0 to/],
  [() => world.bcast(Buffer.alloc(1), -1), /root must be/],
  [() => world.bcast('text' as never, 0), /data must be a TypedArray.*not "text"/],
  [() => world.allreduce(1, 'summ' as never), /did you mean "sum"\?/],
  [() => world.allreduce(1, 'maximum' as never), /one of sum, min, max/],
  [() => world.allreduce(new Int32Array(1) as never), /not Int32Array/],
  [() => world.allreduce(1n << 63n), /does not fit 64 bits/],
  [() => world.barrier({ patent: true } as never), /did you mean "patient"\?/],
  [() => world.split(-1), /color must be/],
  [() => world.broadcastFile({ root: 0, bytes: -1 }), /bytes must be/],
  [() => world.broadcastFile({ root: 0, bytes: 1, chunkBytes: 2 ** 31 }), /chunkBytes must be/],
];
for (const [call, message] of refused) assert.throws(call, { code: 'ERR_WALLA_OPTION', message });

console.log('collectives agree');
