/**
 * Packing, reading and verifying archives from a program, and the errors of walla.
 *
 * @module walla
 */
export { defaultArchivePath } from './archive-path.ts';
export { ERROR_CODES, WallaError, type WallaErrorCode, type WallaErrorOptions } from './errors.ts';
export type { Manifest, ManifestCounts } from './format/manifest.ts';
export { readManifest } from './pack/archive-reader.ts';
export { listArchive, type ListedEntry, type ListedResolution, type Listing } from './pack/list.ts';
export { pack, type PackOptions, type PackProgress, type PackSummary } from './pack/pack.ts';
export { verifyArchive } from './pack/verify.ts';
export type { Distribution, RankValue } from './report/distribution.ts';
export type {
  Miss,
  ModuleTime,
  PhaseSummary,
  ProgramSummary,
  Report,
  StaleSummary,
  TimelineRow,
  TimelineSpan,
} from './report/report.ts';
