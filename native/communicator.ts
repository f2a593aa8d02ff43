/** Ranks that act together. Checks arguments; the work is in the addon, or in SelfCommunicator. */

import { WallaError } from '../stage/errors.ts';
import type { NativeCommunicator, ReduceOp } from './mpi-addon.ts';
import { nearMiss } from './near-miss.ts';

export type { ReduceOp } from './mpi-addon.ts';

const OPS: readonly ReduceOp[] = ['sum', 'min', 'max'];
/** Lets the native side choose from the length of the file and the number of ranks. */
const CHOSEN_CHUNK_BYTES = 0;
const MAX_CHUNK_BYTES = 1 << 30;
const MAX_INT = 0x7fffffff;

export interface WaitOptions {
  /**
   * Sleep up to 2 ms at a time while waiting, from the start, rather than after some ten
   * milliseconds of testing without pause. Each rank chooses for itself. Default false.
   */
  patient?: boolean;
}

export interface BroadcastFileOptions {
  /** Rank that holds the file. */
  root: number;
  /** On root: descriptor of the file, open for reading. */
  sourceFd?: number;
  /**
   * Descriptor of this rank's copy, open for reading and writing, at least `bytes` long and with
   * its blocks reserved. Root may leave it out: its source, which then has to be in node-local
   * memory, is the copy.
   */
  targetFd?: number;
  /** Length of the file; the same on all ranks. */
  bytes: number;
  /** The digest covers the bytes from here on; the same on all ranks. Default 0. */
  hashFrom?: number;
  /**
   * Bytes in one message, up to 1 GiB; the same on all ranks. By default chosen for the length of the
   * file and the number of ranks, from 128 KiB to 4 MiB (docs/scaling.md).
   */
  chunkBytes?: number;
  /**
   * Told the bytes that are done: on root those that are on their way, elsewhere those that have come. Called
   * at once, some times a second, and at the end, while the broadcast waits for it; so it must be short, and
   * cannot call MPI. What it throws is thrown when the broadcast is over, and then on this rank alone. Each
   * rank has its own, or none.
   */
  onProgress?: (doneBytes: number) => void;
}

function wrong(message: string): WallaError {
  return new WallaError('ERR_WALLA_OPTION', message, {
    hint: 'docs/mpi.md lists what each call takes',
  });
}

/** A value for a message: long ones cut off. */
function show(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value.slice(0, 40));
  if (typeof value === 'object' && value !== null) return value.constructor.name;
  return String(value);
}

function checkInteger(name: string, value: unknown, least: number, most: number): number {
  if (typeof value === 'number' && Number.isInteger(value) && value >= least && value <= most) {
    return value;
  }
  throw wrong(`${name} must be an integer from ${least} to ${most}, not ${show(value)}`);
}

/** The bytes behind any view, not copied. */
function bytesOf(name: string, value: unknown): Uint8Array {
  if (!ArrayBuffer.isView(value)) {
    throw wrong(`${name} must be a TypedArray, DataView or Buffer, not ${show(value)}`);
  }
  return new Uint8Array(value.buffer, value.byteOffset, value.byteLength);
}

function checkOp(value: unknown): ReduceOp {
  const op = OPS.find((name) => name === value);
  if (op !== undefined) return op;
  const near = typeof value === 'string' ? nearMiss(value, OPS) : '';
  throw wrong(`op must be one of ${OPS.join(', ')}, not ${show(value)}${near}`);
}

function checkPatient(options: WaitOptions | undefined): boolean {
  for (const name of Object.keys(options ?? {})) {
    if (name !== 'patient')
      throw wrong(`unknown option ${show(name)}${nearMiss(name, ['patient'])}`);
  }
  return options?.patient === true;
}

/** Runs a call of the addon; its errors become WallaErrors with the original as `cause`. */
function run<T>(call: () => T): T {
  try {
    return call();
  } catch (error) {
    const code = (error as { code?: unknown } | null)?.code;
    const known = code === 'ERR_WALLA_TRANSFER' || code === 'ERR_WALLA_TIMEOUT';
    throw WallaError.from(error, known ? code : 'ERR_WALLA_MPI');
  }
}

/**
 * A group of ranks. Every method but the getters is collective: all ranks of the communicator must
 * call it, in the same order. Methods throw WallaError ERR_WALLA_OPTION for a wrong argument and
 * ERR_WALLA_MPI when MPI fails, has been released, or is called from a worker thread.
 */
export class Communicator {
  #native: NativeCommunicator | (() => NativeCommunicator);

  /**
   * Not for programs: use `world` and `split`. A function is called at the first use.
   * @internal
   */
  constructor(native: NativeCommunicator | (() => NativeCommunicator)) {
    this.#native = native;
  }

  /** Not for programs: what stands behind a communicator; undefined if `value` is none. */
  static nativeOf(value: unknown): NativeCommunicator | undefined {
    const isOurs = typeof value === 'object' && value !== null && #native in value;
    return isOurs ? value.#comm : undefined;
  }

  get #comm(): NativeCommunicator {
    if (typeof this.#native === 'function') this.#native = this.#native();
    return this.#native;
  }

  /** Number of this process in the communicator, from 0. */
  get rank(): number {
    return this.#comm.rank;
  }

  /** Number of ranks. */
  get size(): number {
    return this.#comm.size;
  }

  /** Returns once all ranks have called it. */
  barrier(options?: WaitOptions): void {
    const patient = checkPatient(options);
    const comm = this.#comm;
    run(() => comm.barrier(patient));
  }

  /**
   * Fills `data` on every rank with what it holds on root.
   * @param data the same byte length on every rank
   * @returns `data`
   */
  bcast<T extends NodeJS.ArrayBufferView>(data: T, root: number): T {
    const bytes = bytesOf('data', data);
    const comm = this.#comm;
    this.#checkRoot(root);
    run(() => comm.bcast(bytes, root));
    return data;
  }

  /**
   * Combines one value of every rank, or arrays of the same length element by element.
   * @param value a number, a bigint of 64 bits, or an array, which is overwritten with the result
   * @returns the result, the same on all ranks; for an array, that array
   */
  allreduce(value: number, op?: ReduceOp, options?: WaitOptions): number;
  allreduce(value: bigint, op?: ReduceOp, options?: WaitOptions): bigint;
  allreduce(value: Float64Array, op?: ReduceOp, options?: WaitOptions): Float64Array;
  allreduce(value: BigInt64Array, op?: ReduceOp, options?: WaitOptions): BigInt64Array;
  allreduce(
    value: number | bigint | Float64Array | BigInt64Array,
    op: ReduceOp = 'sum',
    options?: WaitOptions,
  ): number | bigint | Float64Array | BigInt64Array {
    const comm = this.#comm;
    checkOp(op);
    const patient = checkPatient(options);
    if (value instanceof Float64Array || value instanceof BigInt64Array) {
      run(() => comm.allreduce(value, op, patient));
      return value;
    }
    if (typeof value === 'number') {
      const one = Float64Array.of(value);
      run(() => comm.allreduce(one, op, patient));
      return one[0] ?? NaN;
    }
    if (typeof value === 'bigint') {
      if (BigInt.asIntN(64, value) !== value) throw wrong(`${value} does not fit 64 bits`);
      const one = BigInt64Array.of(value);
      run(() => comm.allreduce(one, op, patient));
      return one[0] ?? 0n;
    }
    throw wrong(
      `allreduce takes a number, a bigint, a Float64Array or a BigInt64Array, not ${show(value)}`,
    );
  }

  /**
   * For staging: replaces each value by the least over all ranks. Waits asleep, and no longer than
   * `timeoutMs` (0: for ever) for ranks that do not answer.
   * @throws WallaError ERR_WALLA_TIMEOUT on one of the ranks that wait; `cause.absent` lists those that
   *   gave no answer. Then the job can only be aborted.
   * @internal
   */
  agree(values: Float64Array, timeoutMs: number): void {
    const comm = this.#comm;
    run(() => comm.agree(values, timeoutMs));
  }

  /**
   * Brings the bytes of every rank to root.
   * @param data any length; it may differ between ranks
   * @returns on root a Buffer per rank, elsewhere undefined
   */
  gather(data: NodeJS.ArrayBufferView, root: number): Buffer[] | undefined {
    const bytes = bytesOf('data', data);
    const comm = this.#comm;
    this.#checkRoot(root);
    return run(() => comm.gather(bytes, root));
  }

  /** Brings the bytes of every rank to every rank: a Buffer per rank. Lengths may differ. */
  allgather(data: NodeJS.ArrayBufferView): Buffer[] {
    const bytes = bytesOf('data', data);
    const comm = this.#comm;
    return run(() => comm.allgather(bytes));
  }

  /**
   * Sends a JSON value from root to all.
   * @param value used on root only
   * @returns the value after its way through JSON, on root too; undefined stays undefined
   */
  bcastJson(value: unknown, root: number): unknown {
    this.#checkRoot(root);
    // Length, or minus the length of a message if root's value is no JSON: then all ranks throw.
    const length = new Float64Array(1);
    let payload: Buffer | undefined;
    if (this.rank === root) {
      try {
        payload = encode(value);
        length[0] = payload.length;
      } catch (error) {
        payload = Buffer.from(String(error));
        length[0] = -payload.length;
      }
    }
    this.bcast(length, root);
    const bytes = length[0] ?? 0;
    payload ??= Buffer.allocUnsafe(Math.abs(bytes));
    this.bcast(payload, root);
    if (bytes < 0)
      throw wrong(`bcastJson: the value of rank ${root} is no JSON: ${payload.toString()}`);
    return decode(payload);
  }

  /**
   * Brings a JSON value of every rank to root.
   * @returns on root an array with a value per rank, elsewhere undefined
   */
  gatherJson(value: unknown, root: number): unknown[] | undefined {
    this.#checkRoot(root);
    let problem: string | undefined;
    let payload: Buffer;
    try {
      payload = Buffer.concat([Buffer.of(0), encode(value)]);
    } catch (error) {
      problem = String(error);
      payload = Buffer.concat([Buffer.of(1), Buffer.from(problem)]);
    }
    // A value that is no JSON still takes part, so that root is not left waiting.
    const all = this.gather(payload, root);
    if (problem !== undefined) throw wrong(`gatherJson: the value is no JSON: ${problem}`);
    return all?.map((piece, rank) => {
      if (piece[0] === 0) return decode(piece.subarray(1));
      throw wrong(`gatherJson: the value of rank ${rank} is no JSON: ${piece.toString('utf8', 1)}`);
    });
  }

  /**
   * Makes a communicator of the ranks that give the same color.
   * @param color from 0; undefined to be in none of them
   * @param key orders the ranks; this communicator's rank decides among equal keys. Default: rank
   */
  split(color: number | undefined, key: number = this.rank): Communicator | undefined {
    if (color !== undefined) checkInteger('color', color, 0, MAX_INT);
    checkInteger('key', key, -MAX_INT, MAX_INT);
    const comm = this.#comm;
    const part = run(() => comm.split(color, key));
    return part && new Communicator(part);
  }

  /** Makes a communicator of the ranks on this compute node. */
  splitByNode(): Communicator {
    const comm = this.#comm;
    return new Communicator(run(() => comm.splitByNode()));
  }

  /**
   * Sends a file from root's descriptor into every rank's own file, in chunks, from mapping to mapping.
   * @returns digest, in hex, of what this rank has now of the bytes from `hashFrom` on: SHA-256 over the SHA-256
   *   digests of its pieces of 256 KiB, so that they can be hashed side by side. Ranks do not compare their digests.
   * @throws WallaError ERR_WALLA_TRANSFER, on all ranks alike, if a file operation fails on any;
   *   `cause` has errno, syscall, and rank in this communicator. Targets are then incomplete.
   */
  broadcastFile(options: BroadcastFileOptions): string {
    const { root, sourceFd = -1, targetFd = -1, bytes, hashFrom = 0, onProgress } = options;
    const chunkBytes = options.chunkBytes ?? CHOSEN_CHUNK_BYTES;
    const comm = this.#comm;
    this.#checkRoot(root);
    checkInteger('bytes', bytes, 0, Number.MAX_SAFE_INTEGER);
    checkInteger('hashFrom', hashFrom, 0, bytes);
    if (options.chunkBytes !== undefined) {
      checkInteger('chunkBytes', chunkBytes, 1, MAX_CHUNK_BYTES);
    }
    // A descriptor that is missing is not refused here, on one rank, but found by fstat, on all.
    checkInteger('sourceFd', sourceFd, -1, MAX_INT);
    checkInteger('targetFd', targetFd, -1, MAX_INT);
    if (onProgress !== undefined && typeof onProgress !== 'function')
      throw wrong(`onProgress must be a function, not ${show(onProgress)}`);
    const transfer = { root, sourceFd, targetFd, bytes, hashFrom, chunkBytes, onProgress };
    return run(() => comm.broadcastFile(transfer));
  }

  /** Frees the communicator. Those that are never freed end with MPI. */
  free(): void {
    const comm = this.#comm;
    run(() => comm.free());
  }

  #checkRoot(root: unknown): void {
    checkInteger('root', root, 0, this.size - 1);
  }
}

function encode(value: unknown): Buffer {
  // JSON.stringify returns undefined for undefined and functions, whatever its type says.
  const text = JSON.stringify(value) as string | undefined;
  return Buffer.from(text ?? '');
}

function decode(bytes: Buffer): unknown {
  return bytes.length === 0 ? undefined : JSON.parse(bytes.toString());
}
