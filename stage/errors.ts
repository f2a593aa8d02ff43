/**
 * Every error walla raises: its code, and the hint that says what to type.
 * docs/errors.md explains each; test/unit/errors.test.ts keeps the two in step.
 */

const HINTS = {
  ERR_WALLA_NO_ENTRY: 'give the path of the program: walla pack app.mjs',
  ERR_WALLA_UNREADABLE: 'make the file readable, or leave it out with --exclude',
  ERR_WALLA_USAGE: 'walla --help lists commands and options',
  ERR_WALLA_PACK: 'run `walla pack ENTRY` by hand to see the whole message',
  ERR_WALLA_ARCHIVE_MISSING:
    'pack the program first (walla pack ENTRY -o FILE), or unset WALLA_ARCHIVE to pack on the fly',
  ERR_WALLA_ARCHIVE_DAMAGED:
    'the file was cut off or changed: pack again with `walla pack ENTRY -o FILE`',
  ERR_WALLA_ARCHIVE_FORMAT:
    'pack again with the walla in use, or install the version that wrote the archive',
  ERR_WALLA_PLATFORM: 'pack on the machine type the job runs on',
  ERR_WALLA_STALE: 'pack again with `walla pack ENTRY -o FILE`, or accept it with WALLA_STALE=use',
  ERR_WALLA_NOT_PACKED: 'pack this entry too: walla pack ENTRY... -o FILE',
  ERR_WALLA_REPORT:
    'run the program with WALLA_REPORT=FILE, then add what it missed: walla pack ENTRY --learn FILE',
  ERR_WALLA_NO_SPACE:
    'set WALLA_DIR to a larger node-local directory, or leave files out with --exclude',
  ERR_WALLA_NO_MEMORY: 'give the job more memory per node, or leave files out with --exclude',
  ERR_WALLA_STAGING_DIRECTORY: 'set WALLA_DIR to a node-local directory that only you can write',
  ERR_WALLA_NATIVE:
    'install walla again on linux x64 with glibc, or build the native core: docs/building.md',
  ERR_WALLA_MPI: 'set WALLA_MPI=off to stage without MPI',
  ERR_WALLA_MPI_MISMATCH:
    'start the job with the launcher of the MPI that walla uses, or choose it with WALLA_MPI=openmpi or WALLA_MPI=mpich',
  ERR_WALLA_DIVERGED:
    "start every rank with the same WALLA_ARCHIVE and options; Open MPI's mpirun passes a variable to other nodes with -x NAME",
  ERR_WALLA_TIMEOUT:
    'look at the rank or node named; if the work only takes long, raise WALLA_TIMEOUT or pack ahead of the job',
  ERR_WALLA_LOCKFILE: 'write the lock file anew: npm install --package-lock-only',
  ERR_WALLA_INTEGRITY:
    'if the package is meant to have changed, write the lock file anew; if not, do not run it',
  ERR_WALLA_INSTALL_SCRIPT:
    'pack from an installed tree (npm ci && walla pack ENTRY), or go without with --ignore-scripts',
  ERR_WALLA_TRANSFER:
    'check the network and the file system of the archive, then start the job again',
  ERR_WALLA_OPTION: 'docs/environment.md lists the variables and the values they take',
  ERR_WALLA_INTERNAL: 'this is a fault in walla: please report it with the message above',
} as const;

/** What the operating system has run out of, whatever was being done. */
const EXHAUSTED: Record<string, keyof typeof HINTS> = {
  ENOSPC: 'ERR_WALLA_NO_SPACE',
  EDQUOT: 'ERR_WALLA_NO_SPACE',
  EFBIG: 'ERR_WALLA_NO_SPACE',
  ENOMEM: 'ERR_WALLA_NO_MEMORY',
  EMFILE: 'ERR_WALLA_NO_MEMORY',
  ENFILE: 'ERR_WALLA_NO_MEMORY',
};

/** Hints for what no file system and no memory limits. */
const LIMIT_HINTS: Record<string, string> = {
  EFBIG: 'raise the largest size of a file: ulimit -f unlimited, before the launcher',
  EMFILE: 'raise the number of open files: ulimit -n 1024, before the launcher',
  ENFILE: 'the whole node has too many open files: look at what else runs there',
};

/** What a refusal of the operating system means, where nobody has said it better. */
const BY_ERRNO: Record<string, keyof typeof HINTS> = {
  EACCES: 'ERR_WALLA_STAGING_DIRECTORY',
  EPERM: 'ERR_WALLA_STAGING_DIRECTORY',
  EROFS: 'ERR_WALLA_STAGING_DIRECTORY',
  ELOOP: 'ERR_WALLA_STAGING_DIRECTORY',
  ENOTDIR: 'ERR_WALLA_STAGING_DIRECTORY',
  ENAMETOOLONG: 'ERR_WALLA_STAGING_DIRECTORY',
};

export type WallaErrorCode = keyof typeof HINTS;

/** All codes, for the docs check. */
export const ERROR_CODES = Object.keys(HINTS) as WallaErrorCode[];

export interface WallaErrorOptions {
  /** Replaces the code's standard hint. */
  hint?: string;
  /** World rank on which the failure began. */
  rank?: number;
  /** Host name on which the failure began. */
  host?: string;
  /** The program that it is about, as argv[1] has it: ranks may run different ones. */
  program?: string | undefined;
  cause?: unknown;
}

/** An error with a stable code, and a hint that says what to do. Match on `code`, never on text. */
export class WallaError extends Error {
  readonly code: WallaErrorCode;
  readonly hint: string;
  rank: number | undefined;
  host: string | undefined;
  readonly program: string | undefined;
  /** How many ranks fail alike. */
  alike = 1;

  constructor(code: WallaErrorCode, message: string, options: WallaErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'WallaError';
    this.code = code;
    this.hint = options.hint ?? HINTS[code];
    this.rank = options.rank;
    this.host = options.host;
    this.program = options.program;
  }

  /** Two lines for a person: what happened and where, then what to do. */
  report(alike = 1): string {
    const where = this.rank === undefined ? '' : `[rank ${this.rank}@${this.host ?? '?'}] `;
    const count = alike > 1 ? ` (and ${alike - 1} more ranks alike)` : '';
    return `walla: ${where}${this.code}: ${this.message}${count}\nhint: ${this.hint}\n`;
  }

  /** Wraps anything thrown, so that no failure leaves without a code. */
  static from(error: unknown, code: WallaErrorCode = 'ERR_WALLA_INTERNAL'): WallaError {
    if (error instanceof WallaError) return error;
    const message = error instanceof Error ? error.message : String(error);
    const native = error as { code?: unknown; syscall?: unknown } | null | undefined;
    // The native core knows this code alone.
    if (native?.code === 'ERR_WALLA_ARCHIVE_DAMAGED')
      return new WallaError('ERR_WALLA_ARCHIVE_DAMAGED', message, { cause: error });
    // Something stands in the staging directory that is not private to this user.
    if (native?.code === 'EPERM' && native.syscall === 'use')
      return new WallaError('ERR_WALLA_STAGING_DIRECTORY', message, {
        cause: error,
        hint: 'remove it, or have its owner remove it; or set WALLA_DIR to a node-local directory that only you can write',
      });
    const errno = typeof native?.code === 'string' ? native.code : '';
    // There are directories in which nobody can make another, as in /proc.
    const unmade = errno === 'ENOENT' && native?.syscall === 'mkdir';
    const refused = unmade ? 'ERR_WALLA_STAGING_DIRECTORY' : BY_ERRNO[errno];
    const meaning = EXHAUSTED[errno] ?? (code === 'ERR_WALLA_INTERNAL' ? refused : undefined);
    const hint = LIMIT_HINTS[errno];
    return new WallaError(meaning ?? code, message, {
      cause: error,
      ...(hint === undefined ? {} : { hint }),
    });
  }
}
