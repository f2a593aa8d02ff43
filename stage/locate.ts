/**
 * Finds the archive for the program that is starting: named by WALLA_ARCHIVE, or the cache beside the
 * entry, packed anew when it is missing or stale. Runs on the root rank alone; never collective.
 */
import { closeSync, writeSync } from 'node:fs';
import { detectLauncher } from '../native/launcher.ts';
import { checkMachine, checkPlatform, fits } from './archive-fit.ts';
import { defaultArchivePath } from './archive-path.ts';
import { openFile, openPlain, showArchive } from './archive-source.ts';
import { WallaError } from './errors.ts';
import { findLocated } from './located-note.ts';
import { clockNs } from './node-clock.ts';
import { type LocatedArchive, openAt } from './opened-archive.ts';
import { readOptions, type StageOptions } from './options.ts';
import { packInChild } from './pack-in-child.ts';
import { processMs } from './process-clock.ts';
import { givenEntry, resolveEntry } from './program-entry.ts';
import { begin, checkStale, type StaleCheck } from './stale-check.ts';
import { isArchiveUrl } from './transport/archive-url.ts';

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
    begin(found, stale);
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
  if (options.archive !== undefined) {
    const named = openNamed(options.archive, givenEntries, entries, options);
    // Alone, one goes on until the program would start. A report tells of the comparison from the beginning, and a program
    // that is to run without hooks must have none.
    return behindNodeLock && options.report === undefined && options.onError === 'stop'
      ? { ...named, settle: () => settle(named, options) }
      : settled(named, options);
  }
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
    if (fits(opened)) return opened;
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
    begin(archive, options.stale);
    return archive;
  } catch (error) {
    closeSync(archive.fd);
    throw error;
  }
}

/** @throws WallaError ERR_WALLA_STALE */
function settle(archive: LocatedArchive, options: StageOptions): StaleCheck {
  const stale = compare(archive, options);
  if (stale.reason !== undefined && options.stale !== 'use')
    throw new WallaError('ERR_WALLA_STALE', `${archive.path} is out of date: ${stale.reason}`);
  return stale;
}

function settled(archive: LocatedArchive, options: StageOptions): LocatedArchive {
  try {
    return { ...archive, stale: settle(archive, options) };
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
    const stale = fits(cached) ? compareCached(cached, options) : undefined;
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
