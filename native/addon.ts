/**
 * The shape of the native core that needs no MPI. native/binding/ implements it; all
 * arguments are already checked by the TypeScript callers. Functions throw an Error whose `code`
 * is an errno name ('ENOSPC', 'EACCES', ...) or 'ERR_WALLA_ARCHIVE_DAMAGED', and whose `message`
 * says which call failed on what.
 */

import type { MpiAbi } from './launcher.ts';
import type { MpiStandIn } from './mpi-stand-in.ts';

export interface WallaAddon {
  /**
   * Maps an image (a whole archive) read-only and checks its index header.
   * @param fd open descriptor of the image; may be closed afterwards
   * @param roots absolute directories that all stand for the archive's root; the first one is used
   *   to make absolute paths
   */
  openImage(fd: number, roots: string[]): NativeImage;

  /**
   * Opens a directory without following a link in its last component.
   * Refuses (EPERM) one that is not owned by the effective user or that group or others can access.
   * @param create make it with mode 0700 if it does not exist (whatever the umask)
   */
  openPrivateDirectory(path: string, create: boolean): number;
  /** The same for `name` inside the open directory. */
  openPrivateDirectoryAt(directoryFd: number, name: string, create: boolean): number;
  /**
   * Opens a regular file owned by this user, mode 0600, never following a link, close-on-exec.
   * @param how 'create': O_RDWR|O_CREAT|O_EXCL; 'write': O_RDWR, existing; 'read': O_RDONLY;
   *   'open': O_RDWR|O_CREAT without O_EXCL
   * @returns -1 if it does not exist ('write', 'read'), else a descriptor
   */
  openPrivateFileAt(
    directoryFd: number,
    name: string,
    how: 'create' | 'write' | 'read' | 'open',
  ): number;
  /**
   * Makes such files, with these contents.
   * @throws Error EEXIST if one is there already, ENOSPC and what else the system says
   */
  writePrivateFilesAt(
    directoryFd: number,
    names: readonly string[],
    contents: readonly Buffer[],
  ): void;
  /**
   * Closes a descriptor opened here. In a worker `fs.closeSync` warns of descriptors that `fs` did not open.
   */
  close(fd: number): void;
  /** Renames inside one open directory, replacing what is there. */
  renameAt(directoryFd: number, from: string, to: string): void;
  /** Removes `name` (a file or a whole tree) below the open directory; follows no link; absent is fine. */
  removeTreeAt(directoryFd: number, name: string): void;
  /** Names in an open directory, unsorted, without . and .. */
  listDirectory(directoryFd: number): string[];
  /** Takes a flock. Returns false only when `wait` is false and another holder is in the way. */
  lock(fd: number, mode: 'shared' | 'exclusive' | 'unlock', wait: boolean): boolean;
  /** True while the open file still stands under this name (same device and inode). */
  isSameFile(fd: number, directoryFd: number, name: string): boolean;
  /** Sizes the file and reserves its blocks (posix_fallocate), so that a full tmpfs is an ENOSPC here and not a SIGBUS later. */
  reserve(fd: number, bytes: number): void;
  /** Free and total bytes, and whether programs may be mapped from it (not mounted noexec). */
  fileSystem(fd: number): {
    freeBytes: number;
    totalBytes: number;
    typeMagic: number;
    executable: boolean;
  };

  /**
   * Copies the whole of one file into another through its mapping, hashing on other threads as bytes arrive.
   * @param onProgress told the bytes that are done: at once, some times a second, and at the end
   * @returns digest of the pieces (stage/format/piece-digest.ts) of bytes [hashFrom, bytes), in hex
   */
  copyFile(
    sourceFd: number,
    targetFd: number,
    bytes: number,
    hashFrom: number,
    onProgress?: (doneBytes: number) => void,
  ): string;
  /** Hex SHA-256 of bytes in memory. */
  sha256: (bytes: Uint8Array) => string;
  /** Digest of the pieces of bytes [from, to) of a file, in hex, read through its mapping. */
  digestFile(fd: number, from: number, to: number): string;

  /**
   * Extracts every ELF file of the image below an open private directory, keeping relative paths;
   * directories 0700, files 0700. Written aside and renamed, so a file is whole or absent. Packed
   * links that lead to such a file, or to a directory that holds one, are made too (run paths go
   * through them in a pnpm tree). What is there already, with the right size, is left alone.
   * @returns number of files and bytes written by this call
   */
  extractElf(image: NativeImage, directoryFd: number): { files: number; bytes: number };
  /** Bytes of all ELF files of the image: the most that extractElf writes. */
  elfBytes(image: NativeImage): number;
  /** Writes one file entry below the open private directory (as extractElf does), unless it is there. */
  materialize(image: NativeImage, entry: number, directoryFd: number): void;

  /**
   * Removes an image's directory when this process ends, if no other process holds its lock by then.
   * Runs after all JavaScript, on every way out but a signal.
   * @param path absolute path of the image's directory
   * @param lockFd this process's descriptor of the `lock` file in it; must stay open
   */
  removeAtExit(path: string, lockFd: number): void;

  /** Notes an absolute path that this thread is about to write to, for all threads of the process. */
  noteWritten(path: string): void;
  /**
   * Paths that any thread of the process has noted, in order, without the first `known`; undefined if
   * there are none.
   */
  writtenAfter(known: number): string[] | undefined;

  /**
   * Begins to compare an archive's index with the source tree, on native threads, and returns at once.
   * Every entry is looked at once, by lstat. Files: type, size, mtime. Links: type, target text.
   * Directories: mtime; where it differs, the listing is read again and compared by name and type (in
   * directories that are not frozen only names count that can change a resolution: `node_modules`,
   * package.json, names ending in .js .cjs .mjs .json .node .wasm .ts .cts .mts, directories, and
   * lock files; `.walla` never does).
   * @param fd open archive; may be closed at once
   * @param root absolute directory that stands for the archive's root
   * @returns what to pass to `finishFreshCheck`; one that is dropped ends by itself
   */
  beginFreshCheck(fd: number, root: string, options: FreshCheckOptions): FreshCheck;
  /** Waits for a check and returns what it found. To be called once. */
  finishFreshCheck(check: FreshCheck): Freshness;

  /**
   * Tells V8 that the program of this thread is loading: the search for garbage in the old generation
   * waits, as long as the heap is not much beyond V8's limit and for 7 seconds at most.
   * @returns whether this V8 can be told
   */
  programLoads(): boolean;
  /**
   * What V8's code caches depend on, its version and flags: `v8.cachedDataVersionTag()`, without the streams
   * that node:v8 loads. Undefined where this V8 cannot be asked.
   */
  v8CodeTag(): number | undefined;

  /** Loads the library of an MPI; undefined where it is not there either. Once a process, on the main thread. */
  loadMpiStandIn(abi: MpiAbi): MpiStandIn | undefined;
}

export interface FreshCheckOptions {
  /** At most so many, where calls wait; fewer are used for a small tree, or one that is in memory. */
  threads: number;
  /** Stop after so many differences. */
  limit: number;
  /** Links were packed as what they lead to (--preserve-symlinks): stat instead of lstat. */
  followLinks: boolean;
  /** Compare lock files and package.json files alone. */
  locksOnly: boolean;
  /** Leave out what is in node_modules, which was packed without being installed. */
  exceptPackages?: boolean;
  /** Leave out what Yarn's Plug'n'Play has in zip files and `__virtual__`, which were packed unpacked. */
  exceptZips?: boolean;
}

/** A comparison that is under way. */
export interface FreshCheck {
  readonly freshCheck: unique symbol;
}

export interface Freshness {
  /** Entries that were looked at. */
  compared: number;
  /** Milliseconds the comparison took, on its own threads. */
  ms: number;
  /** Sorted by path relative to the root; '' is the root, or a damaged entry. */
  differences: { path: string; reason: 'changed' | 'added' | 'removed' }[];
}

/**
 * A mapped image. Lookups take no locks and, on a miss, allocate nothing. The mapping lives as long
 * as the process: strings returned by `text` may point into it.
 */
export interface NativeImage {
  readonly imageBytes: number;
  readonly entryCount: number;
  readonly resolutionCount: number;

  /**
   * Finds an absolute, normalized path under one of the roots, walking through packed links in
   * every component but (unless `follow`) the last.
   * @returns entry number; -1 unknown (ask the real file system); -2 does not exist (its parent is
   *   frozen and complete); -3 a parent is a file (ENOTDIR)
   */
  find(path: string, follow: boolean): number;
  /**
   * Looks a resolution up.
   * @param kind 1 import, 2 require
   * @param parentPath absolute path of the importing file
   * @returns entry number for a plain file; -1 for a miss; otherwise -(slot + 2), to be passed
   *   to `resolution` as `slot`
   */
  resolve(kind: number, parentPath: string, specifier: string): number;
  /** A resolution that is not just a file: `[outcome, text, entry]` of docs/format.md; entry is -1 where it is none. */
  resolution(slot: number): [outcome: number, text: string, entry: number];

  /** Absolute path under the first root. */
  path(entry: number): string;
  /** Number in FORMATS of index-layout.ts. */
  format(entry: number): number;
  flags(entry: number): number;
  /** Absolute path of the nearest package.json, or '' if none. */
  scope(entry: number): string;
  /** File content as a string: an external string over the mapping where it is ASCII, else decoded UTF-8 (invalid bytes become U+FFFD, a byte-order mark is kept). */
  text(entry: number): string;
  /** File content, a fresh copy. */
  bytes(entry: number): Buffer;
  /** Fills [mode, size, seconds, nanoseconds] of the modification time. */
  stat(entry: number, out: Float64Array): void;
  /** Target text of a link. */
  linkText(entry: number): string;
  /** Entry of a link's final target, or -1. */
  linkTarget(entry: number): number;
  /** Names and d_types of a directory, in order; undefined if its listing is not complete. */
  listing(entry: number): { names: string[]; types: Uint8Array } | undefined;
}
