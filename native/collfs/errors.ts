/** Errors of collective calls: those of `fs`, and collfs's own. Both are the same on all ranks. */

import { getSystemErrorMap } from 'node:util';

import { fsError } from '../../loader/shadow/system-error.ts';
import type { CollfsReport, RawFailure } from './addon.ts';

/** Codes of CollfsError; docs/collfs.md says what each means. */
export type CollfsErrorCode =
  | 'ERR_COLLFS_DIVERGED'
  | 'ERR_COLLFS_TIMEOUT'
  | 'ERR_COLLFS_LOCAL'
  | 'ERR_COLLFS_TYPE'
  | 'ERR_COLLFS_CHANGED'
  | 'ERR_COLLFS_THREAD'
  | 'ERR_COLLFS_MPI'
  | 'ERR_COLLFS_STATE';

/** What collfs itself has to report: not what root's file system said, but that no answer came about. */
export class CollfsError extends Error {
  readonly code: CollfsErrorCode;
  /** Negative, as in the errors of `fs`. */
  readonly errno: number;
  readonly syscall: string;
  readonly path: string | undefined;
  /** Rank in the communicator that failed, diverged or is missing; -1 if that is no single rank. */
  readonly rank: number;
  /** What to do. */
  readonly hint: string;

  constructor(report: CollfsReport, errno: number, syscall: string, path?: string) {
    super(report.message);
    this.name = 'CollfsError';
    this.code = report.code as CollfsErrorCode;
    this.errno = errno;
    this.syscall = syscall;
    this.path = path;
    this.rank = report.rank;
    this.hint = report.hint;
  }
}

/**
 * An error as `fs` makes it.
 * @param errno negative
 * @param path as the program gave it; left out where `fs` leaves it out
 */
export function systemError(errno: number, syscall: string, path?: string): NodeJS.ErrnoException {
  const unknown = `Unknown system error ${errno}`;
  const [code, text] = getSystemErrorMap().get(errno) ?? [unknown, unknown];
  return fsError(code, text, errno, syscall, path);
}

/** Runs a call of the addon; what it throws becomes an error of `fs`, or a CollfsError. */
export function translated<T>(syscall: string, path: string | undefined, call: () => T): T {
  try {
    return call();
  } catch (error) {
    const { errno, collfs } = error as Partial<RawFailure>;
    if (errno === undefined) throw error;
    throw collfs
      ? new CollfsError(collfs, errno, syscall, path)
      : systemError(errno, syscall, path);
  }
}
