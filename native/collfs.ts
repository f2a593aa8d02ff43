/**
 * `walla/collfs`: file operations that all ranks of a communicator make together. One rank, the root,
 * asks the file system; the others get its answer, its data or its error over MPI. Which communicator
 * is chosen by `push` and `pop`; with nothing pushed each rank asks for itself, as in workers and
 * child processes.
 *
 * While a communicator is pushed, every operation here is collective on it unless it says otherwise:
 * all its ranks make the same calls in the same order, with the same paths. A relative path starts
 * from root's working directory. docs/collfs.md says when that is safe.
 *
 * @module walla/collfs
 */

export { counters, resetCounters, type Counter } from './collfs/counters.ts';
export { CollfsError, type CollfsErrorCode } from './collfs/errors.ts';
export {
  fstatSync,
  isShared,
  openManySync,
  openSync,
  readFileSync,
  type ReadFileOptions,
} from './collfs/files.ts';
export { dlopen, fetchSync } from './collfs/libraries.ts';
export { opendirSync, readdirSync, type ReaddirOptions } from './collfs/listings.ts';
export {
  accessSync,
  existsSync,
  lstatManySync,
  lstatSync,
  readlinkSync,
  realpathSync,
  statManySync,
  statSync,
  type EncodingOptions,
  type StatOptions,
} from './collfs/names.ts';
export * as promises from './collfs/promises.ts';
export { shadow, type Shadow, type ShadowOptions } from './collfs/shadow.ts';
export {
  configure,
  depth,
  dropCache,
  independently,
  pop,
  push,
  setCache,
  setRoot,
  type PushOptions,
  type Settings,
} from './collfs/stack.ts';
