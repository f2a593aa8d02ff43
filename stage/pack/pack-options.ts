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
  /**
   * V8's code caches. Left out: of every JavaScript module, compiled without being run (Node.js 22.15 and later). Arguments: of
   * what the first entry loads in a run with them, functions that it calls included (22.1 and later). False: none.
   */
  codeCache?: string[] | false | undefined;
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
  /** Where the modules could not be compiled, such as for lack of memory, how that ended: then there are no code caches. */
  failedToCompile?: string | undefined;
  /** With `lockfile`: what came from where. */
  packages?: PackagesSummary | undefined;
  elapsedMs: number;
}
