import type { Manifest } from '../format/manifest.ts';
import { damaged, openArchive } from './archive-reader.ts';

export interface ListedEntry {
  path: string;
  type: 'file' | 'directory' | 'link';
  mode: number;
  size: number;
  /** Nanoseconds since the epoch, as a decimal number. */
  mtimeNs: string;
  format?: string | undefined;
  native: boolean;
  /** Text of a link. */
  link?: string | undefined;
}

export interface ListedResolution {
  /** Directory of the importing file. */
  directory: string;
  specifier: string;
  kind: 'import' | 'require';
  outcome: 'file' | 'builtin' | 'absent';
  /** Path of the file, name of the builtin, or code of the error. */
  answer: string;
}

export interface Listing {
  manifest: Manifest;
  entries: ListedEntry[];
  resolutions: ListedResolution[];
}

/** Everything an archive's manifest and index say; paths are relative to the root. */
export async function listArchive(file: string): Promise<Listing> {
  const { handle, manifest, index } = await openArchive(file);
  await handle.close();
  const all = [...index.entries()];
  const entries = all.map(({ path, type, mode, size, mtimeNs, format, flags, linkText }) => ({
    path,
    type,
    mode,
    size,
    mtimeNs: String(mtimeNs),
    format,
    native: (flags & 1) !== 0,
    link: type === 'link' ? linkText : undefined,
  }));
  const path = (number: number | undefined) =>
    number === undefined ? '' : (all[number]?.path ?? '');
  const resolutions = [...index.resolutions()].map(
    ({ directory, specifier, kind, outcome, file, text }) => ({
      directory: path(directory),
      specifier,
      kind,
      outcome,
      answer: outcome === 'file' ? path(file) + text : outcome === 'builtin' ? text : code(text),
    }),
  );
  const key = ({ directory, specifier, kind }: ListedResolution) =>
    `${directory}\0${specifier}\0${kind}`;
  resolutions.sort((a, b) => (key(a) < key(b) ? -1 : 1));
  return { manifest, entries, resolutions };
}

function code(text: string): string {
  let error: { code?: unknown } | null;
  try {
    error = JSON.parse(text) as { code?: unknown } | null;
  } catch {
    throw damaged('the text of an absent name is not JSON');
  }
  return typeof error?.code === 'string' ? error.code : '';
}
