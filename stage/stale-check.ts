/**
 * Compares an archive with the tree it was packed from: every packed file and directory is looked at
 * once, on native threads. Root rank alone; under MPI it begins before MPI does, which takes longer.
 */
import type { FreshCheck, Freshness } from '../native/addon.ts';
import { loadAddon } from '../native/load-addon.ts';
import type { Manifest } from './format/manifest.ts';
import { WallaError } from './errors.ts';
import { formatName } from './format-name.ts';
import type { StageOptions } from './options.ts';
import { processMs } from './process-clock.ts';

/** What of an open archive a check needs. */
export interface CheckedArchive {
  path: string;
  fd: number;
  identity: string;
  roots: string[];
  manifest: Manifest;
}

export interface StaleCheck {
  /** What differs, in words; undefined: nothing. */
  reason: string | undefined;
  /** Entries looked at. */
  compared: number;
  /** When it began, in milliseconds since this process began. */
  startMs: number;
  /** Milliseconds that took, on threads of its own. */
  ms: number;
}

/** How many changed files a message names. */
const NAMED_DIFFERENCES = 3;
/** Each call of a shared file system is mostly waiting. */
const THREADS = 16;

/** A check that is under way. */
interface BegunCheck {
  /** What is compared, and how. */
  key: string;
  check: FreshCheck;
  startMs: number;
}

let underWay: BegunCheck | undefined;

/** Begins a check whose answer `checkStale` may want later, unless it is under way. */
export function begin(archive: CheckedArchive, stale: StageOptions['stale']): void {
  if (underWay?.key !== keyOf(archive, stale)) underWay = begun(archive, stale);
}

/**
 * Waits for the check of this archive that is under way, or makes one.
 * @throws WallaError ERR_WALLA_ARCHIVE_DAMAGED when its index cannot be read, ERR_WALLA_UNREADABLE when
 *   the tree is not there
 */
export function checkStale(archive: CheckedArchive, stale: StageOptions['stale']): StaleCheck {
  const early = underWay?.key === keyOf(archive, stale) ? underWay : undefined;
  underWay = undefined;
  const { check, startMs } = early ?? begun(archive, stale);
  let found: Freshness;
  try {
    found = loadAddon().finishFreshCheck(check);
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    throw code === 'ERR_WALLA_ARCHIVE_DAMAGED'
      ? new WallaError(code, `${archive.path}: ${message}`, { cause: error })
      : new WallaError(
          'ERR_WALLA_UNREADABLE',
          `cannot compare ${archive.path} with its source tree: ${message}`,
          {
            cause: error,
            hint: 'make the tree readable, or accept the archive with WALLA_STALE=use',
          },
        );
  }
  const { compared, ms, differences } = found;
  if (differences.length === 0) return { reason: undefined, compared, startMs, ms };
  const named = differences
    .slice(0, NAMED_DIFFERENCES)
    .map(({ path, reason }) => `${path === '' ? 'the root' : formatName(path)} was ${reason}`);
  const more = differences.length > NAMED_DIFFERENCES ? ', and more' : '';
  return { reason: named.join(', ') + more, compared, startMs, ms };
}

function begun(archive: CheckedArchive, stale: StageOptions['stale']): BegunCheck {
  const startMs = processMs();
  const check = loadAddon().beginFreshCheck(archive.fd, archive.roots[0] ?? '/', {
    threads: THREADS,
    limit: NAMED_DIFFERENCES + 1,
    followLinks: archive.manifest.preserveSymlinks,
    locksOnly: stale === 'lockfile',
    exceptPackages: archive.manifest.packages === 'lockfile',
    exceptZips: archive.manifest.packages === 'pnp',
  });
  return { key: keyOf(archive, stale), check, startMs };
}

function keyOf({ identity, roots }: CheckedArchive, stale: StageOptions['stale']): string {
  return `${identity} ${stale} ${roots[0] ?? '/'}`;
}
