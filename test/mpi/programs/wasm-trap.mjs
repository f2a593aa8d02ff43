// An MPI's own handler of SIGSEGV must not keep V8 from turning this one into an exception.
/* global WebAssembly */
import assert from 'node:assert/strict';

import { register } from 'tsx/esm/api';

register();
const { world } = await import('../../../native/mpi.ts');

// (module (memory 1) (func (export "read") (param i32) (result i32) local.get 0 i32.load))
const { instance } = await WebAssembly.instantiate(
  Uint8Array.from([
    ...[0, 97, 115, 109, 1, 0, 0, 0, 1, 6, 1, 96, 1, 127, 1, 127, 3, 2, 1, 0, 5, 3, 1, 0, 1, 7, 8],
    ...[1, 4, 114, 101, 97, 100, 0, 0, 10, 9, 1, 7, 0, 32, 0, 40, 2, 0, 11],
  ]),
);
world.barrier();
assert.throws(() => instance.exports.read(0x7fffffff), WebAssembly.RuntimeError);
console.log('trapped');
