/**
 * The answers to imports that hooks give again and again: a large program asks three to four times for
 * each of its modules, mostly from the same directory. What the table answered once is kept, so that
 * the second question costs one map lookup.
 */
import { KIND_IMPORT, type ModuleFormat } from '../stage/format/index-layout.ts';
import { isImportable } from './node-features.ts';
import { type Lookup, pathOf } from './lookup.ts';
import { countModule } from './large-program.ts';

/** A packed module that this Node.js imports. */
export interface ImportedModule {
  readonly entry: number;
  readonly path: string;
  readonly url: string;
  readonly format: ModuleFormat;
}

/** What a specifier leads to; undefined: ask Node.js. */
export type ImportAnswer = ImportedModule | { readonly absent: Error } | undefined;

export class ImportAnswers {
  readonly lookup: Lookup;
  /** By the importing file's directory, then by specifier: no answer depends on more. */
  readonly #byDirectory = new Map<string, Map<string, ImportedModule>>();
  readonly #byURL = new Map<string, ImportedModule>();
  #parentURL: string | undefined;
  #ofParent = new Map<string, ImportedModule>();

  constructor(lookup: Lookup) {
    this.lookup = lookup;
  }

  /** @param parentURL URL of the importing module, undefined for the entry */
  resolve(specifier: string, parentURL: string | undefined): ImportAnswer {
    if (parentURL === undefined || parentURL !== this.#parentURL) this.#enter(parentURL);
    const known = this.#ofParent.get(specifier);
    if (known !== undefined) return known;
    const found = this.lookup.import(specifier, parentURL);
    if (found === undefined || 'absent' in found) return found;
    const { entry, path, url, format } = found;
    if (format === undefined || !isImportable(format)) return undefined;
    const answer = this.#byURL.get(url) ?? { entry, path, url, format };
    this.#byURL.set(url, answer);
    if (found.isTabled) this.#ofParent.set(specifier, answer);
    return answer;
  }

  /** @param next asks Node.js, which has to answer what `resolve` did not */
  miss<T>(specifier: string, parentURL: string | undefined, next: () => T): T {
    const { misses } = this.lookup;
    const parent = misses && parentURL !== undefined ? pathOf(parentURL) : undefined;
    return misses && parent !== undefined
      ? misses.resolving(KIND_IMPORT, specifier, parent, next)
      : next();
  }

  /** The packed module to load for a URL, unless the program has written the file since. */
  load(url: string): ImportedModule | undefined {
    countModule();
    const known = this.#byURL.get(url);
    if (known !== undefined) return this.lookup.isWritten(known.path) ? undefined : known;
    const path = pathOf(url);
    const entry = path === undefined ? -1 : this.lookup.realFile(path);
    if (path === undefined || entry < 0) return undefined;
    const format = this.lookup.format(entry);
    return format === undefined || !isImportable(format) ? undefined : { entry, path, url, format };
  }

  #enter(parentURL: string | undefined): void {
    this.#parentURL = parentURL;
    const directory = parentURL?.slice(0, parentURL.lastIndexOf('/')) ?? '';
    let answers = this.#byDirectory.get(directory);
    if (answers === undefined) {
      answers = new Map();
      this.#byDirectory.set(directory, answers);
    }
    this.#ofParent = answers;
  }
}
