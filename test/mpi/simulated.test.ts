/** The broadcast on more nodes than there are here. Simulated time is the same on every machine. */
import assert from 'node:assert/strict';
import { before, describe, it } from 'node:test';
import { buildSimulation, whyNotSimulated } from '../../bench/simulated/build.ts';
import { check, simulate } from '../../bench/simulated/case.ts';

const MIB = 2 ** 20;
const bounds = { timeoutSeconds: 240 };

describe('the broadcast in a simulation', { skip: whyNotSimulated() ?? false }, () => {
  let program: string;
  before(() => {
    program = buildSimulation();
  });

  for (const topology of ['fat-tree', 'dragonfly']) {
    const what = { topology, nodes: 64, bytes: 4 * MIB, algorithm: 'walla', chunkBytes: 0 };

    it(`gives each of 64 nodes of a ${topology} each byte exactly once`, () => {
      const row = check(program, what, bounds);
      assert.ok(row);
      assert.equal(row.digestsAlike, 64);
      assert.equal(row.misplaced, 0);
      assert.equal(row.received, 63 * what.bytes);
    });

    it(`takes less than twice as long on 512 nodes of a ${topology} as on 64`, () => {
      const few = simulate(program, what, bounds);
      const many = simulate(program, { ...what, nodes: 512 }, bounds);
      assert.ok(few && many);
      assert.ok(many.seconds > few.seconds);
      assert.ok(many.seconds < 2 * few.seconds, `${many.seconds} s and ${few.seconds} s`);
    });
  }
});
