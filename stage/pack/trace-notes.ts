import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { WALLA_DIRECTORY } from '../archive-path.ts';
import type { FileFacts } from './file-facts.ts';
import type { Question } from './resolver.ts';

/** Raised whenever a tracer may find something else in the same file. */
const NOTES_VERSION = 4;

/** What a pack leaves behind for the next one, beside the archive of its first entry. */
export interface TraceNotes {
  facts: Map<string, FileFacts>;
  /** Identity of the last archive written, by its path. */
  archives: Map<string, string>;
  /** Names and files seen in recorded runs. */
  recorded: { questions: Question[]; files: string[] };
}

/**
 * @param inputs everything beside the source tree that decides what is packed
 */
export function notesPath(entry: string, inputs: unknown): string {
  const hash = createHash('sha256').update(JSON.stringify([NOTES_VERSION, inputs]));
  return join(dirname(entry), WALLA_DIRECTORY, `trace-${hash.digest('hex').slice(0, 16)}.json`);
}

/** Unreadable or damaged notes are no notes: a pack then starts from nothing. */
export function readNotes(path: string): TraceNotes {
  try {
    const notes = JSON.parse(readFileSync(path, 'utf8')) as {
      facts: [string, FileFacts][];
      archives: [string, string][];
      recorded: TraceNotes['recorded'];
    };
    const { questions, files } = notes.recorded;
    return {
      facts: new Map(notes.facts),
      archives: new Map(notes.archives),
      recorded: { questions, files },
    };
  } catch {
    return { facts: new Map(), archives: new Map(), recorded: { questions: [], files: [] } };
  }
}

/** Writes notes aside and renames them. A tree that cannot be written goes without. */
export function writeNotes(path: string, { facts, archives, recorded }: TraceNotes): void {
  const text = JSON.stringify({ facts: [...facts], archives: [...archives], recorded });
  const temporary = `${path}.tmp-${process.pid}`;
  try {
    writeFileSync(temporary, text);
    renameSync(temporary, path);
  } catch {
    // Only speed is lost.
  }
}

/** Makes `.walla` beside an entry, ignored by git. Returns false where the tree cannot be written. */
export function makeWallaDirectory(entry: string): boolean {
  const directory = join(dirname(entry), WALLA_DIRECTORY);
  try {
    mkdirSync(directory, { recursive: true });
    writeFileSync(join(directory, '.gitignore'), '*\n', { flag: 'wx' });
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EEXIST';
  }
  return true;
}
