/**
 * Counts what the archive could not answer in this process, and adds it to the job's report when the process ends.
 * A bundle of its own, dist/report.cjs: only runs that keep a report load it.
 */
import fs from 'node:fs';
import { hostname } from 'node:os';
import { isAbsolute } from 'node:path';
import { pathToFileURL } from 'node:url';
import { isPathLike, pathOf } from '../../loader/lookup.ts';
import type { Misses } from '../../loader/misses.ts';
import type { ImportAnswers } from '../../loader/import-answers.ts';
import { Module, type SyncHooks } from '../../loader/node-internals.ts';
import type { NativeImage } from '../../native/addon.ts';
import { KIND_IMPORT } from '../format/index-layout.ts';
import type { ModuleRecorder } from './module-recorder.ts';
import { type Miss, missKey, partsDirectory, type ReportPart } from './report.ts';
import type { ReportPlace } from './report-place.ts';

const { statSync } = fs;

/** Different misses that one process keeps. */
const MOST_MISSES = 50_000;

export class MissRecorder implements Misses {
  readonly #image: NativeImage;
  readonly #roots: readonly string[];
  readonly #place: ReportPlace;
  readonly #modules: ModuleRecorder | undefined;
  readonly #misses = new Map<string, Miss>();
  #unlisted = 0;

  /**
   * @param roots absolute directories that stand for the archive's root
   * @param modules who times what is loaded; on rank 0 alone
   */
  constructor(
    image: NativeImage,
    roots: readonly string[],
    place: ReportPlace,
    modules: ModuleRecorder | undefined,
  ) {
    this.#image = image;
    this.#roots = roots.map((root) => (root === '/' ? root : `${root}/`));
    this.#place = place;
    this.#modules = modules;
  }

  timing(hooks: SyncHooks): SyncHooks {
    return this.#modules?.timing(hooks) ?? hooks;
  }

  watching(answers: ImportAnswers): ImportAnswers {
    return this.#modules?.watching(answers) ?? answers;
  }

  resolving<T>(kind: number, specifier: string, parent: string, answer: () => T): T {
    if (!this.#isQuestion(kind, specifier, parent)) return answer();
    const name = kind === KIND_IMPORT ? 'import' : 'require';
    const miss = this.#note({ kind: name, specifier, parent, count: 1 });
    const found = answer();
    const path = pathIn(found);
    if (path !== undefined && miss?.kind !== 'read') Object.assign(miss ?? {}, { resolved: path });
    return found;
  }

  reading(path: string): void {
    if (this.#isBelow(path)) this.#note({ kind: 'read', path, count: 1 });
  }

  /**
   * What can be learnt from this process; looks at each file once.
   * @param hits names that the archive answered
   */
  part(hits: number | undefined): ReportPart {
    const { rank } = this.#place;
    const all = [...this.#misses.values()];
    const modules = new Set<string>();
    const resolutions = all.filter((miss) => {
      if (miss.kind === 'read') return false;
      const path = miss.resolved ?? this.#guess(miss.kind, miss.specifier, miss.parent);
      // No archive says of an absolute name that it leads nowhere.
      if (path === undefined) return !isAbsolute(miss.specifier) && !isFileUrl(miss.specifier);
      modules.add(path);
      miss.resolved = path;
      if (isAbsolute(miss.specifier) || isFileUrl(miss.specifier))
        return this.#isBelow(path) && !this.#isPacked(path) && this.#isSource(path);
      return !this.#isBelow(path) || this.#isPacked(path) || this.#isSource(path);
    });
    // Node.js reads what it resolved, by functions that the shadow sees.
    const reads = all.filter(
      (miss) => miss.kind === 'read' && !modules.has(miss.path) && this.#isSource(miss.path),
    );
    return {
      rank,
      host: hostname(),
      ...(hits !== undefined && { hits }),
      misses: [...resolutions, ...reads],
      unlisted: this.#unlisted,
    };
  }

  #note(miss: Miss): Miss | undefined {
    const key = missKey(miss);
    const known = this.#misses.get(key);
    if (known !== undefined) {
      known.count++;
      return known;
    }
    if (this.#misses.size >= MOST_MISSES) {
      this.#unlisted++;
      return undefined;
    }
    this.#misses.set(key, miss);
    return miss;
  }

  /** Whether an archive could answer: what the table holds is left to Node.js for good reasons. */
  #isQuestion(kind: number, specifier: string, parent: string): boolean {
    if (specifier === '' || Module.isBuiltin(specifier)) return false;
    if (/^[a-z][a-z\d+.-]*:/i.test(specifier) && !isFileUrl(specifier)) return false;
    return this.#isBelow(parent) && this.#image.resolve(kind, parent, specifier) === -1;
  }

  /** Where Node.js answers in a thread of its own, what it said is not known here. */
  #guess(kind: string, specifier: string, parent: string): string | undefined {
    if (kind !== 'import' || !(isPathLike(specifier) || isFileUrl(specifier))) return undefined;
    const path = pathOf(new URL(specifier, pathToFileURL(parent)).href);
    return path !== undefined && isFile(path) ? path : undefined;
  }

  #isBelow(path: string): boolean {
    return this.#roots.some((root) => path.startsWith(root));
  }

  #isPacked(path: string): boolean {
    return this.#image.find(path, true) >= 0;
  }

  /** Whether it is a file that was there before the job: what the job writes is no part of the program. */
  #isSource(path: string): boolean {
    const { file, startedMs } = this.#place;
    if (path.includes('/.walla/') || path === file) return false;
    if (path.startsWith(`${partsDirectory(file)}/`)) return false;
    return isFile(path, startedMs);
  }
}

function isFile(path: string, olderThanMs = Infinity): boolean {
  try {
    const stat = statSync(path, { throwIfNoEntry: false });
    return stat?.isFile() === true && stat.mtimeMs < olderThanMs;
  } catch {
    return false;
  }
}

function isFileUrl(specifier: string): boolean {
  return specifier.startsWith('file:');
}

/** The file in what `require.resolve` or a resolve hook answers. */
function pathIn(found: unknown): string | undefined {
  if (typeof found === 'string') return isAbsolute(found) ? found : undefined;
  const { url } = (found ?? {}) as { url?: unknown };
  return typeof url === 'string' ? pathOf(url) : undefined;
}
