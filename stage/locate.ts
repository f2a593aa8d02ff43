/**
 * Finds the archive for the program that is starting: named by WALLA_ARCHIVE, or the cache beside the
 * entry, packed anew when it is missing or stale. Runs on the root rank alone; never collective.
 */
import { closeSync, fstatSync, realpathSync, writeSync } from 'node:fs';
import { constants as osConstants } from 'node:os';
import { loadAddon } from '../native/load-addon.ts';
import { wholePackage } from '../native/addon-path.ts';
import { resolutionRules, ruleFlags, userConditions } from './resolution-rules.ts';
import { defaultArchivePath } from './archive-path.ts';
import { fitsThisProcess } from './attachment.ts';
import { WallaError, type WallaErrorCode } from './errors.ts';
import { decodeManifest, type Manifest } from './format/manifest.ts';
import { formatName } from './format-name.ts';
import { detectLauncher, launcherVariables } from '../native/launcher.ts';
import type { Entry } from '../loader/commonjs.ts';
import { findLocated } from './located-note.ts';
import { clockNs } from './node-clock.ts';
import { readOptions, type StageOptions } from './options.ts';
import { givenEntry, resolveEntry } from './program-entry.ts';
import { openFile, openPlain, readFrom, showArchive } from './archive-source.ts';
import { beginEarly, checkStale, type StaleCheck } from './stale-check.ts';
import { isArchiveUrl } from './transport/archive-url.ts';
import { processMs } from './process-clock.ts';

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
}

/** The manifest is small; its member must fit in this. */
const LONGEST_MANIFEST_BYTES = 16 * 1024 * 1024;

/**
 * Begins to compare the archive with the tree before MPI is up, in the process that the launcher calls
 * rank 0. Only a head start: whatever is wrong, `locate` finds it again and says so, and if the program
 * or the archive turns out to be another one, the comparison is dropped.
 */
export function locateEarly(env: NodeJS.ProcessEnv): void {
  let fd: number | undefined;
  try {
    const { mpi, rank } = detectLauncher(env);
    const given = givenEntry();
    if (mpi === undefined || rank !== 0 || given === undefined) return;
    const { archive, stale } = readOptions(env);
    const entry = resolveEntry(given);
    const path = archive ?? defaultArchivePath(entry);
    if (isArchiveUrl(path)) return;
    const found = openAt(openFile(path), path, true, [given], [entry]);
    fd = found.fd;
    beginEarly(found, stale);
  } catch {
    // Told by `locate`, to all ranks.
  } finally {
    if (fd !== undefined) closeSync(fd);
  }
}

/**
 * @param givenEntries argv[1] of the programs of all ranks, without repetition; may be empty
 * @param behindNodeLock whether this process has the node's lock, and may believe the one that had it before
 * @throws WallaError
 */
export function locate(
  givenEntries: readonly string[],
  options: StageOptions,
  behindNodeLock: boolean,
): LocatedArchive {
  const entries = givenEntries.map(resolveEntry);
  const checked = behindNodeLock ? openChecked(givenEntries, entries, options) : undefined;
  if (checked) return checked;
  if (options.archive !== undefined)
    return openNamed(options.archive, givenEntries, entries, options);
  if (entries.length === 0)
    throw new WallaError('ERR_WALLA_NO_ENTRY', 'there is no program file to stage for', {
      hint: 'give node a program file, or name an archive with WALLA_ARCHIVE',
    });
  return openCached(givenEntries, entries, options);
}

/**
 * Opens a named archive to place it on nodes ahead of a job: what the job will do with it is the job's to check.
 * @throws WallaError
 */
export function locateForPlacing(archive: string, options: StageOptions): LocatedArchive {
  const opened = open(archive, [], [], options);
  try {
    checkMachine(opened);
    return opened;
  } catch (error) {
    closeSync(opened.fd);
    throw error;
  }
}

/** The image that another process on this node checked after this one had started. */
function openChecked(
  given: readonly string[],
  entries: readonly string[],
  options: StageOptions,
): LocatedArchive | undefined {
  const fd = findLocated(given, options);
  if (fd === undefined) return undefined;
  const { archive } = options;
  const name = archive === undefined ? 'the image of this node' : showArchive(archive);
  try {
    const opened = openAt(fd, name, false, given, entries);
    if (fitsCache(opened)) return opened;
    closeSync(fd);
  } catch {
    // Whatever is wrong with it, a check of one's own says it better.
  }
  return undefined;
}

function openNamed(
  path: string,
  given: readonly string[],
  entries: readonly string[],
  options: StageOptions,
): LocatedArchive {
  const archive = open(path, given, entries, options);
  try {
    checkPlatform(archive);
    const stale = compare(archive, options);
    if (stale.reason !== undefined && options.stale !== 'use')
      throw new WallaError('ERR_WALLA_STALE', `${archive.path} is out of date: ${stale.reason}`);
    return { ...archive, stale };
  } catch (error) {
    closeSync(archive.fd);
    throw error;
  }
}

function openCached(
  given: readonly string[],
  entries: readonly string[],
  options: StageOptions,
): LocatedArchive {
  const path = defaultArchivePath(...(entries as [string, ...string[]]));
  const cached = tryOpen(path, given, entries, options);
  if (cached) {
    const stale = fitsCache(cached) ? compareCached(cached, options) : undefined;
    if (stale) return { ...cached, stale };
    closeSync(cached.fd);
  }
  const startMs = processMs();
  packInChild(entries, path);
  const packed = { startMs, ms: processMs() - startMs };
  return { ...open(path, given, entries, options), packed };
}

/** A cache that is missing, damaged or of another format is simply made again. */
function tryOpen(
  path: string,
  given: readonly string[],
  entries: readonly string[],
  options: StageOptions,
): LocatedArchive | undefined {
  try {
    return open(path, given, entries, options);
  } catch (error) {
    if (error instanceof WallaError) return undefined;
    throw error;
  }
}

function open(
  named: string,
  given: readonly string[],
  entries: readonly string[],
  options: StageOptions,
): LocatedArchive {
  const checkedAtNs = clockNs();
  const { path, fd, onSharedFile } = openPlain(named, options);
  return { ...openAt(fd, path, onSharedFile, given, entries), checkedAtNs };
}

/** Reads what an open archive says of itself. Closes it when that is not right. */
function openAt(
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

function checkMachine({ path, manifest }: LocatedArchive): void {
  const mine = `${process.platform} ${process.arch}`;
  const theirs = formatName(`${manifest.platform} ${manifest.arch}`);
  if (mine !== theirs)
    throw new WallaError('ERR_WALLA_PLATFORM', `${path} was packed for ${theirs}, this is ${mine}`);
}

function checkPlatform(archive: LocatedArchive): void {
  checkMachine(archive);
  const { path, manifest } = archive;
  if (manifest.abi !== process.versions.modules)
    throw new WallaError(
      'ERR_WALLA_STALE',
      `${path} was packed by Node.js ${formatName(manifest.node)}, this is ${process.version}`,
      { hint: 'pack again with this Node.js: walla pack ENTRY -o FILE' },
    );
  const { conditions, preserveSymlinks } = resolutionRules();
  if (!fitsThisProcess(manifest))
    throw new WallaError(
      'ERR_WALLA_STALE',
      `${path} was packed for conditions [${manifest.conditions.map(formatName).join(', ')}], this program runs with [${conditions.join(', ')}]` +
        (manifest.preserveSymlinks === preserveSymlinks
          ? ''
          : ', and for another --preserve-symlinks'),
      { hint: 'pack again with these conditions: walla pack ENTRY -o FILE' },
    );
}

function fitsCache(archive: LocatedArchive): boolean {
  try {
    checkPlatform(archive);
    return true;
  } catch {
    return false;
  }
}

/** Compares with the tree; with WALLA_STALE=use no difference is an error, but one is said. */
function compare(archive: LocatedArchive, options: StageOptions): StaleCheck {
  if (options.stale !== 'use') return checkStale(archive, options.stale);
  let stale: StaleCheck;
  try {
    stale = checkStale(archive, 'use');
  } catch (error) {
    if (!(error instanceof WallaError) || error.code !== 'ERR_WALLA_UNREADABLE') throw error;
    stale = { reason: error.message, compared: 0, startMs: 0, ms: 0 };
  }
  if (stale.reason !== undefined)
    writeSync(2, `walla: using ${archive.path} although it is out of date: ${stale.reason}\n`);
  return stale;
}

/** @returns undefined for a cache that must be packed again */
function compareCached(cached: LocatedArchive, options: StageOptions): StaleCheck | undefined {
  try {
    const stale = compare(cached, options);
    return stale.reason === undefined || options.stale === 'use' ? stale : undefined;
  } catch {
    return undefined;
  }
}

/**
 * Packs in a child process, which keeps the packer's libraries out of the program, and without the
 * launcher's variables, so that nothing in it takes itself for a rank.
 */
function packInChild(entries: readonly string[], path: string): void {
  const env: NodeJS.ProcessEnv = { ...process.env };
  for (const name of launcherVariables(process.env)) Reflect.deleteProperty(env, name);
  delete env['NODE_OPTIONS'];
  const { conditions, preserveSymlinks } = resolutionRules();
  const flags = ruleFlags();
  if (preserveSymlinks) flags.push('--preserve-symlinks');
  // Loaded here alone: most jobs do not pack, and all would pay for it.
  const { spawnSync } = process.getBuiltinModule('node:child_process');
  const result = spawnSync(
    process.execPath,
    [
      ...flags,
      `${wholePackage()}/dist/cli.js`,
      'pack',
      '--quiet',
      '--json',
      ...userConditions(conditions).flatMap((condition) => ['--conditions', condition]),
      '-o',
      path,
      ...entries,
    ],
    { env, stdio: ['ignore', 'pipe', 'pipe'], encoding: 'utf8', maxBuffer: 64 * 1024 * 1024 },
  );
  if (result.status === 0) return;
  throw packFailure(result.stderr, result.status, result.signal, result.error);
}

/** The packer's own error, read back from its two lines on stderr. */
function packFailure(
  stderr: string,
  status: number | null,
  signal: string | null,
  cause?: Error,
): WallaError {
  const told = /^walla: (?:\[[^\]]*\] )?(ERR_WALLA_\w+): (.*)\nhint: (.*)$/m.exec(stderr);
  if (told?.[1] && told[2] && told[3])
    return new WallaError(told[1] as WallaErrorCode, told[2], { hint: told[3] });
  const how = signal
    ? `was ended by ${signal} (${osConstants.signals[signal as NodeJS.Signals]})`
    : `ended with ${status}`;
  return new WallaError(
    'ERR_WALLA_PACK',
    `packing ${cause ? `could not start: ${cause.message}` : how}: ${stderr.trim().slice(-2000)}`,
  );
}
