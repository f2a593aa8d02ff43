/** Why a file is in an archive, and what a specifier resolves to there: read from the index alone. */
import { isAbsolute, posix, relative } from 'node:path';
import { FLAG_ELF } from '../format/index-layout.ts';
import type { IndexReader, ReadEntry, ReadResolution } from '../format/index-reader.ts';
import { openArchive } from './archive-reader.ts';
import { isLockFile } from './lock-files.ts';
import { findFile, packedPath } from './read-packed.ts';

/** One line of the table of resolutions. */
export interface Answer {
  kind: 'import' | 'require';
  specifier: string;
  /** Directory of the files that may ask so, relative to the root. */
  directory: string;
  outcome: 'file' | 'builtin' | 'absent';
  /** Path of the file, name of the builtin, or code of Node.js's error. */
  answer: string;
}

export interface ExplainedFile {
  path: string;
  size: number;
  format: string | undefined;
  native: boolean;
  /** Its nearest package.json. */
  scope: string | undefined;
  /** Why it was packed, in words. */
  why: string;
  /** Every name that leads to it. */
  askedBy: Answer[];
  /** The shortest way there from an entry: table lines, each from the directory of the one before. */
  chain: Answer[];
}

export interface Explanation {
  archive: string;
  specifier: string;
  /** Path of the file that asks, relative to the root. */
  parent: string;
  /** What the table says to the parent; empty: it does not know, and Node.js asks the real file system. */
  answers: Answer[];
  /** The file that it leads to, or is the path of; undefined if neither. */
  file: ExplainedFile | undefined;
}

/**
 * @param specifier a name as a program writes it, or the path of a packed file
 * @param parent path of the file that asks; the first entry if left out
 * @throws ERR_WALLA_ARCHIVE_*
 */
export async function explain(
  archive: string,
  specifier: string,
  parent?: string,
): Promise<Explanation> {
  const { handle, manifest, index } = await openArchive(archive);
  await handle.close();
  const entries = manifest.entries;
  const asking = parent === undefined ? (entries[0] ?? '') : pathIn(parent, manifest.root);
  const table = new Table(index);
  const directory = directoryOf(asking);
  const answers = table.all.filter(
    (answer) => answer.directory === directory && answer.specifier === specifier,
  );
  const led = answers.find(({ outcome }) => outcome === 'file')?.answer;
  const named = led ?? pathIn(specifier, manifest.root);
  const entry = answers.length > 0 && led === undefined ? undefined : findFile(index, named);
  return {
    archive,
    specifier,
    parent: asking,
    answers,
    file: entry?.type === 'file' ? explainFile(index, entry, entries, table) : undefined,
  };
}

class Table {
  readonly all: Answer[];
  constructor(index: IndexReader) {
    this.all = [...index.resolutions()].map((found) => answerOf(index, found));
  }
}

function answerOf(index: IndexReader, found: ReadResolution): Answer {
  const { kind, specifier, outcome, file, text } = found;
  const directory = index.entry(found.directory).path;
  const answer =
    outcome === 'file' && file !== undefined
      ? index.entry(file).path
      : outcome === 'builtin'
        ? text
        : codeOf(text);
  return { kind, specifier, directory, outcome, answer };
}

function codeOf(text: string): string {
  const { code } = JSON.parse(text) as { code?: string };
  return code ?? 'not found';
}

function explainFile(
  index: IndexReader,
  entry: ReadEntry,
  entries: readonly string[],
  { all }: Table,
): ExplainedFile {
  const { path, size, format, flags, scope } = entry;
  const askedBy = all.filter(({ outcome, answer }) => outcome === 'file' && answer === path);
  const native = (flags & FLAG_ELF) !== 0;
  const chain = chainTo(path, entries, all);
  return {
    path,
    size,
    format,
    native,
    scope: scope === undefined ? undefined : index.entry(scope).path,
    why: reason(entry, entries, askedBy.length, chain.length, index),
    askedBy,
    chain,
  };
}

function reason(
  entry: ReadEntry,
  entries: readonly string[],
  asked: number,
  chained: number,
  index: IndexReader,
): string {
  const { path, flags } = entry;
  const name = posix.basename(path);
  if (entries.includes(path)) return 'it is an entry';
  if (chained > 0) return 'a module that an entry reaches loads it';
  if (asked > 0) return 'a packed module loads it';
  if (name === 'package.json') {
    const number = index.find(path);
    const governed = [...index.entries()].filter(({ scope }) => scope === number).length;
    return governed > 0
      ? `it governs ${governed} packed file${governed === 1 ? '' : 's'} (type, exports, imports)`
      : 'Node.js may read it while it resolves names';
  }
  if (isLockFile(name)) return 'it is a lock file: its change makes the archive out of date';
  if ((flags & FLAG_ELF) !== 0) return 'a native addon, or a library that one needs';
  return 'packed code names it as a file, a recorded run read it, or --include added it';
}

/**
 * The shortest way from an entry, by breadth-first search. The table is keyed by the directory of the file that asks,
 * so a step says which directory's files may ask, not which file does.
 */
function chainTo(target: string, entries: readonly string[], all: readonly Answer[]): Answer[] {
  const byDirectory = new Map<string, Answer[]>();
  for (const answer of all) {
    if (answer.outcome !== 'file') continue;
    const known = byDirectory.get(answer.directory);
    if (known) known.push(answer);
    else byDirectory.set(answer.directory, [answer]);
  }
  const cameBy = new Map<string, Answer | undefined>();
  const queue = entries.map(directoryOf);
  for (const start of queue) cameBy.set(start, undefined);
  for (let at = queue.shift(); at !== undefined; at = queue.shift()) {
    for (const answer of byDirectory.get(at) ?? []) {
      if (answer.answer === target) return [...walkBack(at, cameBy), answer];
      const next = directoryOf(answer.answer);
      if (cameBy.has(next)) continue;
      cameBy.set(next, answer);
      queue.push(next);
    }
  }
  return [];
}

function walkBack(to: string, cameBy: ReadonlyMap<string, Answer | undefined>): Answer[] {
  const steps: Answer[] = [];
  for (let step = cameBy.get(to); step !== undefined; step = cameBy.get(step.directory))
    steps.unshift(step);
  return steps;
}

function directoryOf(path: string): string {
  const directory = posix.dirname(path);
  return directory === '.' ? '' : directory;
}

/** A path as a person gives it: relative to the root or to here, or absolute. */
function pathIn(given: string, root: string): string {
  const here = relative(root, given);
  return !isAbsolute(given) && here !== '' && !here.startsWith('..')
    ? here
    : packedPath(given, root);
}
