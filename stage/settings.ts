/** What has to be the same on all ranks of a job, and how a difference is put into words. */
import type { StageOptions } from './options.ts';
import { resolutionRules } from './resolution-rules.ts';
import { WALLA_VERSION } from './version.ts';

/** Names as a person gives them, values as text. */
export type Settings = Record<string, string>;

/**
 * WALLA_DIR may differ, since nodes do; WALLA_VERBOSE and WALLA_TIMEOUT matter on one rank alone, and of
 * WALLA_REPORT all have the root's.
 * @param release whether MPI ends right after staging
 */
export function settingsOf(options: StageOptions, release: boolean): Settings {
  const { conditions, preserveSymlinks } = resolutionRules();
  return {
    walla: WALLA_VERSION,
    'Node.js ABI': process.versions.modules,
    'the rules of resolution': conditions.join(),
    '--preserve-symlinks': String(preserveSymlinks),
    WALLA_ARCHIVE: options.archive ?? '',
    WALLA_STALE: options.stale,
    WALLA_KEEP: options.keep ? '1' : '0',
    WALLA_SHADOW: options.shadow ? 'on' : 'off',
    WALLA_ON_ERROR: options.onError,
    WALLA_MPI: release ? 'release' : '',
  };
}

/** A number that ranks can compare in a reduction: an integer below 2^45. */
export function settingsDigest(settings: Settings): number {
  let digest = 7;
  for (const character of JSON.stringify(settings))
    digest = (digest * 131 + (character.codePointAt(0) ?? 0)) % (2 ** 45 - 229);
  return digest;
}

/** What `mine` has otherwise than the root, in words; undefined: nothing. */
export function settingsDifference(mine: Settings, root: Settings): string | undefined {
  const names = Object.keys({ ...root, ...mine }).filter((name) => mine[name] !== root[name]);
  if (names.length === 0) return undefined;
  const words = names.map(
    (name) => `${name} is "${mine[name] ?? ''}" here and "${root[name] ?? ''}" on rank 0`,
  );
  return words.join(', ');
}
