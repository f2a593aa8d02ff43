/**
 * `walla/collfs`: file operations that all ranks of a communicator make together. One rank, the root,
 * asks the file system; the others get its answer, or its error, over MPI. Which communicator is
 * chosen by `push` and `pop`: while the stack is empty each rank asks for itself.
 *
 * While a communicator is pushed, every call is collective on it: all ranks make the same calls in
 * the same order, with the same path and root.
 */

import * as fs from 'node:fs';

import { WallaError } from '../stage/errors.ts';
import { Communicator } from './communicator.ts';

export interface CollectiveOptions {
  /** Rank, in the communicator on top of the stack, that asks the file system. Default 0. */
  root?: number;
}

export interface ReadOptions extends CollectiveOptions {
  encoding?: BufferEncoding | null;
}

const stack: Communicator[] = [];

/** Makes file operations collective on `comm` until the matching `pop`. All its ranks must call it. */
export function push(comm: Communicator): void {
  // By shape and not by instanceof: the preload's bundle has a Communicator class of its own.
  if (typeof (comm as Partial<Communicator> | undefined)?.bcastJson !== 'function') {
    throw new WallaError('ERR_WALLA_OPTION', 'push takes a communicator of walla/mpi', {
      hint: "import { world } from 'walla/mpi'",
    });
  }
  stack.push(comm);
}

/**
 * Undoes the last `push`.
 * @returns the communicator that was on top
 * @throws WallaError ERR_WALLA_OPTION if the stack is empty
 */
export function pop(): Communicator {
  const comm = stack.pop();
  if (comm) return comm;
  throw new WallaError('ERR_WALLA_OPTION', 'pop without a push', { hint: 'push first' });
}

/** What a failed file operation looked like on root. */
interface Failure {
  message: string;
  code?: string;
  errno?: number;
  syscall?: string;
  path?: string;
}

type Answer<T> = { value: T } | { failure: Failure };

function failureOf(error: unknown): Failure {
  const { message, code, errno, syscall, path } = error as NodeJS.ErrnoException;
  return {
    message,
    ...(code !== undefined && { code }),
    ...(errno !== undefined && { errno }),
    ...(syscall !== undefined && { syscall }),
    ...(path !== undefined && { path }),
  };
}

/** Runs `work` on root; all ranks return its result, which goes through JSON, or throw its error. */
function onRoot<T>(comm: Communicator, root: number, work: () => T): T {
  let answer: Answer<T> | undefined;
  if (comm.rank === root) {
    try {
      answer = { value: work() };
    } catch (error) {
      answer = { failure: failureOf(error) };
    }
  }
  const agreed = comm.bcastJson(answer, root) as Answer<T>;
  if ('value' in agreed) return agreed.value;
  const { message, ...details } = agreed.failure;
  throw Object.assign(new Error(message), details);
}

/**
 * Reads a whole file, of any size; collective. Options as for `fs.readFileSync`, and `root`.
 * @throws the error of root's `fs.readFileSync`, on all ranks
 */
export function readFileSync(
  path: fs.PathLike,
  options: { encoding: BufferEncoding; root?: number } | BufferEncoding,
): string;
export function readFileSync(
  path: fs.PathLike,
  options?: CollectiveOptions & { encoding?: null },
): Buffer;
export function readFileSync(
  path: fs.PathLike,
  options: ReadOptions | BufferEncoding = {},
): string | Buffer {
  const { encoding, root = 0 } = typeof options === 'string' ? { encoding: options } : options;
  const comm = stack.at(-1);
  if (comm === undefined) return fs.readFileSync(path, { encoding });
  let content: Buffer | undefined;
  const bytes = onRoot(comm, root, () => {
    content = fs.readFileSync(path);
    return content.length;
  });
  const all = comm.bcast(content ?? Buffer.allocUnsafe(bytes), root);
  return encoding ? all.toString(encoding) : all;
}

const NUMBERS = [
  'dev',
  'ino',
  'mode',
  'nlink',
  'uid',
  'gid',
  'rdev',
  'size',
  'blksize',
  'blocks',
  'atimeMs',
  'mtimeMs',
  'ctimeMs',
  'birthtimeMs',
] as const;

/** A Stats of fs from its numbers. */
function makeStats(numbers: number[]): fs.Stats {
  const stats = Object.create(fs.Stats.prototype) as fs.Stats;
  NUMBERS.forEach((name, i) => (stats[name] = numbers[i] ?? 0));
  for (const name of ['atime', 'mtime', 'ctime', 'birthtime'] as const) {
    // As Node.js rounds.
    stats[name] = new Date(Math.round(stats[`${name}Ms`]));
  }
  return stats;
}

/**
 * Follows links, as `fs.statSync`; collective.
 * @throws the error of root's `fs.statSync`, on all ranks
 */
export function statSync(path: fs.PathLike, { root = 0 }: CollectiveOptions = {}): fs.Stats {
  const comm = stack.at(-1);
  if (comm === undefined) return fs.statSync(path);
  return makeStats(
    onRoot(comm, root, () => {
      const stats = fs.statSync(path);
      return NUMBERS.map((name) => stats[name]);
    }),
  );
}

/** As `fs.existsSync`; collective. */
export function existsSync(path: fs.PathLike, { root = 0 }: CollectiveOptions = {}): boolean {
  const comm = stack.at(-1);
  return comm === undefined ? fs.existsSync(path) : onRoot(comm, root, () => fs.existsSync(path));
}

/**
 * Names in a directory, in the order root's file system gives them; collective.
 * @throws the error of root's `fs.readdirSync`, on all ranks
 */
export function readdirSync(path: fs.PathLike, { root = 0 }: CollectiveOptions = {}): string[] {
  const comm = stack.at(-1);
  return comm === undefined ? fs.readdirSync(path) : onRoot(comm, root, () => fs.readdirSync(path));
}
