/** What a pack is asked for, and what it says about itself. */
import type { Manifest, ManifestFields } from '../format/manifest.ts';
import type { PackagesSummary } from './lockfile/locked-tree.ts';

export interface PackProgress {
  /** Files found and looked at so far, while tracing. */
  onFiles?: ((found: number, done: number) => void) | undefined;
  /** Packages of a lock file that are there so far. */
  onPackages?: ((done: number, total: number) => void) | undefined;
  /** Bytes written so far. */
  onBytes?: ((done: number, total: number) => void) | undefined;
}

export interface PackOptions {
  /** Programs to pack, relative to `directory`. */
  entries: string[];
  /** Archive to write; beside the first entry if left out (see `defaultArchivePath`). */
  output?: string | undefined;
  /** Base of relative paths and globs; the working directory if left out. */
  directory?: string | undefined;
  include?: string[] | undefined;
  exclude?: string[] | undefined;
  /** User conditions; those of this process if left out. */
  conditions?: string[] | undefined;
  preserveSymlinks?: boolean | undefined;
  /** Runs the first entry once with these arguments and adds what it loads. */
  record?: string[] | undefined;
  /** Runs the first entry once with these arguments and adds V8's code caches of what it loads. */
  codeCache?: string[] | undefined;
  /** Report of a run with WALLA_REPORT, relative to `directory`: adds what it missed. */
  learn?: string | undefined;
  /** Lock file of npm, relative to `directory`: packages come from their registry, and none need be installed. */
  lockfile?: string | undefined;
  /** With `lockfile`: kinds of dependencies to leave out (`dev`, `optional`, `peer`). */
  omit?: string[] | undefined;
  /** With `lockfile`: packs packages that need an install script without what it would have made. */
  ignoreScripts?: boolean | undefined;
  /** Finds out what would be packed, writes nothing. */
  dryRun?: boolean | undefined;
  progress?: PackProgress | undefined;
}

export interface PackSummary {
  /** Absolute path of the archive. */
  file: string;
  /** False if the archive was there already and still matches the source tree. */
  written: boolean;
  bytes: number;
  manifest: Manifest | ManifestFields;
  /** Files whose content had to be read to trace them. */
  traced: number;
  /** Files of the report that are not there any more. */
  vanished: string[];
  /** With `lockfile`: what came from where. */
  packages?: PackagesSummary | undefined;
  elapsedMs: number;
}
