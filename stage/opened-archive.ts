/** An archive that may be staged: what it says of itself, and for which programs it stands. */
import { closeSync, fstatSync, realpathSync } from 'node:fs';
import type { Entry } from '../loader/commonjs.ts';
import { loadAddon } from '../native/load-addon.ts';
import { readFrom } from './archive-source.ts';
import { WallaError } from './errors.ts';
import { decodeManifest, type Manifest } from './format/manifest.ts';
import { formatName } from './format-name.ts';
import type { StaleCheck } from './stale-check.ts';

/** An archive that may be staged, open. */
export interface LocatedArchive {
  /** Path or URL, for messages: without credentials. */
  path: string;
  /** Whether it is the plain file at `path`, rather than a downloaded or unpacked copy. */
  onSharedFile: boolean;
  fd: number;
  bytes: number;
  manifest: Manifest;
  /** SHA-256 of the manifest, in hex: the archive's name on every node. */
  identity: string;
  /** Absolute directories that stand for the archive's root; the real one first. */
  roots: string[];
  /** The programs of all ranks: argv[1], and the file that Node.js runs for it. */
  programs: Entry[];
  /** When it was packed, if that was just now; milliseconds since this process began. */
  packed?: { startMs: number; ms: number };
  /** When this process began to look for it (located-note.ts); undefined when it believed another's note. */
  checkedAtNs: bigint | undefined;
  /** How it compares with the source tree; undefined where it was packed just now. */
  stale?: StaleCheck;
  /**
   * Waits for the comparison where that is under way still, in threads of its own.
   * @throws WallaError ERR_WALLA_STALE
   */
  settle?: () => StaleCheck;
}

/** Whether an archive is still being compared with its source tree. */
export function isUnsettled(archive: LocatedArchive | undefined): boolean {
  return archive?.settle !== undefined && archive.stale === undefined;
}

/**
 * Waits for that.
 * @throws WallaError ERR_WALLA_STALE
 */
export function settle(archive: LocatedArchive | undefined): void {
  if (archive?.settle) archive.stale ??= archive.settle();
}

/** The manifest is small; its member must fit in this. */
const LONGEST_MANIFEST_BYTES = 16 * 1024 * 1024;

/**
 * Reads what an open archive says of itself. Closes it when that is not right.
 * @param path for messages
 * @param given argv[1] of the programs, and `entries` the files that Node.js runs for them; may be empty
 * @throws WallaError ERR_WALLA_ARCHIVE_*, ERR_WALLA_NOT_PACKED
 */
export function openAt(
  fd: number,
  path: string,
  onSharedFile: boolean,
  given: readonly string[],
  entries: readonly string[],
): LocatedArchive {
  try {
    const stat = fstatSync(fd);
    const member = readManifestMember(fd, path, stat.size);
    const manifest = decodeAt(path, member);
    const expected = manifest.body.offset + manifest.body.bytes;
    if (manifest.body.offset !== 512 + member.length)
      throw new WallaError(
        'ERR_WALLA_ARCHIVE_DAMAGED',
        `the manifest of ${path} names another place for the body`,
      );
    if (stat.size !== expected)
      throw new WallaError(
        'ERR_WALLA_ARCHIVE_DAMAGED',
        `${path} has ${stat.size} bytes, its manifest says ${expected}`,
      );
    const roots = findRoots(path, manifest, given, entries);
    return {
      path,
      onSharedFile,
      fd,
      bytes: stat.size,
      manifest,
      identity: manifest.sha256,
      programs: given.map((path, index) => ({ given: path, real: entries[index] ?? path })),
      roots,
      checkedAtNs: undefined,
    };
  } catch (error) {
    closeSync(fd);
    throw error;
  }
}

function decodeAt(path: string, member: Buffer): Manifest {
  try {
    return decodeManifest(member, loadAddon().sha256);
  } catch (error) {
    const { code, message } = WallaError.from(error);
    throw new WallaError(code, `${path}: ${message}`, { cause: error });
  }
}

function readManifestMember(fd: number, path: string, fileBytes: number): Buffer {
  const header = Buffer.alloc(512);
  const got = readFrom(fd, path, header, 0);
  const name = header.toString('latin1', 0, 100).replace(/\0.*$/s, '');
  if (got < 512 || name !== '.walla/manifest.json')
    throw new WallaError('ERR_WALLA_ARCHIVE_FORMAT', `${path} is not a walla archive`);
  const bytes = parseInt(header.toString('latin1', 124, 136), 8);
  if (!(bytes > 0) || bytes > LONGEST_MANIFEST_BYTES || 512 + bytes > fileBytes)
    throw new WallaError('ERR_WALLA_ARCHIVE_DAMAGED', `${path} is cut off inside its manifest`);
  const member = Buffer.alloc(bytes);
  if (readFrom(fd, path, member, 512) !== bytes)
    throw new WallaError('ERR_WALLA_ARCHIVE_DAMAGED', `${path} is cut off inside its manifest`);
  return member;
}

/**
 * Finds which directory stands for the archive's root here: the tree may be mounted elsewhere than
 * where it was packed. Paths through links above the root are known by the way the entry was given.
 */
function findRoots(
  path: string,
  manifest: Manifest,
  given: readonly string[],
  entries: readonly string[],
): string[] {
  if (entries.length === 0) return [manifest.root];
  const roots = new Set<string>();
  entries.forEach((entry, index) => {
    const relative =
      manifest.entries.find((packed) => entry === `${manifest.root}/${packed}`) ??
      manifest.entries.find((packed) => entry.endsWith(`/${packed}`));
    if (relative === undefined)
      throw new WallaError(
        'ERR_WALLA_NOT_PACKED',
        `${path} does not hold the program ${entry}; it holds ${manifest.entries.map(formatName).join(', ')}`,
        { program: given[index] },
      );
    roots.add(entry.slice(0, -relative.length - 1) || '/');
    const asGiven = given[index];
    if (asGiven?.endsWith(`/${relative}`)) {
      const alias = asGiven.slice(0, -relative.length - 1);
      if (!roots.has(alias) && roots.has(realpathSync(alias))) roots.add(alias);
    }
  });
  return [...roots];
}
