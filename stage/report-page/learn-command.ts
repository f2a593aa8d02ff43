/** The command that adds what a report missed to its archive. */
import { defaultArchivePath } from '../archive-path.ts';
import type { Report } from '../report/report.ts';
import { isArchiveUrl } from '../transport/archive-url.ts';

/**
 * @param file the report, as it is to be typed
 * @returns one line for a shell, with every name quoted that needs it; bash where one has control characters
 */
export function learnCommand({ programs, archive }: Report, file: string): string {
  const [first = 'ENTRY', ...others] = programs;
  const isDefault = archive === defaultArchivePath(first, ...others);
  const output = isDefault || isArchiveUrl(archive) ? [] : ['-o', archive];
  return ['walla', 'pack', first, ...others, ...output, '--learn', file].map(quote).join(' ');
}

/** Control characters, and those that change the order in which the rest is shown. */
// eslint-disable-next-line no-control-regex
const INVISIBLE = /[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]/g;

function quote(word: string): string {
  if (/^[\w./@:=+-]+$/.test(word)) return word;
  const escaped = word
    .replace(/[\\']/g, '\\$&')
    .replace(INVISIBLE, (found) => `\\u${found.charCodeAt(0).toString(16).padStart(4, '0')}`);
  return word.search(INVISIBLE) < 0 ? `'${word.replaceAll("'", `'\\''`)}'` : `$'${escaped}'`;
}
