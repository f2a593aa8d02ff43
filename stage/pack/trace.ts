import { existsSync, realpathSync, type BigIntStats } from 'node:fs';
import { dirname, isAbsolute, join, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { WallaError } from '../errors.ts';
import { AssetFinder, assetsHold } from './assets.ts';
import { readFacts, type FileFacts } from './file-facts.ts';
import type { Patterns } from './globs.ts';
import { OptionalDependencyFinder } from './optional-dependencies.ts';
import { expandPattern } from './name-patterns.ts';
import { ProgramExtent } from './program-extent.ts';
import type { Recorded } from './record.ts';
import { Resolver, type AbsentError, type Answer, type Kind, type Question } from './resolver.ts';
import { scannerReady } from './scan.ts';
import type { SourceTree } from './source-tree.ts';

export interface TracedFile {
  stat: BigIntStats;
  facts: FileFacts;
  /** Absolute path of the governing package.json; undefined also where Node.js may refuse it. */
  scope: string | undefined;
}

/** One settled name. Paths are absolute. */
export interface TracedResolution {
  directory: string;
  specifier: string;
  kind: Kind;
  /** The importing file that asked first: it appears in the text of an absent name. */
  parent: string;
  file?: string | undefined;
  suffix?: string | undefined;
  builtin?: string | undefined;
  absent?: AbsentError | undefined;
}

export interface Trace {
  files: Map<string, TracedFile>;
  resolutions: TracedResolution[];
  /** Facts by path, to start the next trace from. */
  facts: Map<string, FileFacts>;
  /** Files whose facts had to be read again. */
  read: number;
}

export interface TraceProgress {
  /** Files found and files looked at so far. */
  onFiles?: ((found: number, done: number) => void) | undefined;
}

export interface TraceOptions extends TraceProgress {
  entries: string[];
  /** Files to add whether or not anything refers to them. */
  include: string[];
  exclude: Patterns;
  /** Absolute directories that the entries belong to. */
  projects: string[];
  /** Seen in recorded runs. */
  recorded: Recorded;
  tree: SourceTree;
  resolver: Resolver;
  /** The program's working directory, as far as it can be guessed. */
  directory: string;
  /** From an earlier trace. */
  known: Map<string, FileFacts>;
}

/** How many files are looked at before the answers about earlier ones are taken in. */
const BATCH = 64;

/** Follows a program from its entries to everything it can load. */
export async function trace(options: TraceOptions): Promise<Trace> {
  await scannerReady();
  return new Tracer(options).run();
}

class Tracer {
  readonly #options: TraceOptions;
  readonly #files = new Map<string, TracedFile>();
  readonly #facts = new Map<string, FileFacts>();
  readonly #asked = new Map<string, TracedResolution | null>();
  readonly #assets: AssetFinder;
  readonly #optional = new OptionalDependencyFinder();
  readonly #extent: ProgramExtent;
  /** Named outside of the program as far as it is known yet: it may turn out to reach there. */
  #outsideFiles = new Set<string>();
  #outsideQuestions: Question[] = [];
  /** Files to look at; the value says whether one was reached as a module. */
  #queue = new Map<string, boolean>();
  #suspects: string[] = [];
  #pending = new Set<Promise<void>>();
  #failure: unknown;
  #done = 0;
  #read = 0;

  constructor(options: TraceOptions) {
    this.#options = options;
    this.#extent = new ProgramExtent(options.projects);
    this.#assets = new AssetFinder(options.directory, (path) => options.tree.source(path));
  }

  async run(): Promise<Trace> {
    const { entries, include, recorded } = this.#options;
    for (const entry of entries) this.#add(entry, true);
    for (const file of include) this.#addAsset(file);
    for (const file of recorded.files) this.#addNamed(file);
    this.#askRecorded(recorded.questions);
    for (;;) {
      if (this.#failure !== undefined) throw WallaError.from(this.#failure, 'ERR_WALLA_PACK');
      if (this.#queue.size > 0) {
        this.#lookAtBatch();
        // Lets answers come in.
        await new Promise((done) => setImmediate(done));
      } else if (this.#pending.size > 0) await Promise.race(this.#pending);
      else if (this.#suspects.length > 0) await this.#lookCloser();
      else if (!this.#reachFurther()) break;
    }
    return {
      files: this.#files,
      resolutions: [...this.#asked.values()].filter((answer) => answer !== null),
      facts: this.#facts,
      read: this.#read,
    };
  }

  /** @param path real path of a file */
  #add(path: string, asModule: boolean): void {
    // How a file was reached only matters where its extension leaves open what it is.
    const code = asModule && !/\.(?:[cm]?[jt]s|json|node|wasm)$/.test(path);
    const traced = this.#files.get(path);
    if (traced !== undefined && (!code || traced.facts.asModule)) return;
    if (this.#options.exclude.match(path) || isOwn(path)) return;
    this.#queue.set(path, code || (this.#queue.get(path) ?? false));
  }

  #addAsset(path: string): void {
    const real = this.#options.tree.follow(path);
    if (real !== undefined && this.#options.tree.stat(real)?.isFile()) this.#add(real, false);
  }

  /** Adds a file that the code names: a system file is no part of a program, and another one on the next node. */
  #addNamed(path: string): void {
    if (!this.#extent.holds(path)) {
      this.#outsideFiles.add(path);
      return;
    }
    const real = realPath(path);
    if (real !== undefined && !this.#extent.isOfMachine(real)) this.#addAsset(path);
  }

  /** Children of a recorded run may be other programs, whose names are not this one's. */
  #askRecorded(questions: Question[]): void {
    const isInside = ({ parent }: Question) => this.#extent.holds(parent);
    this.#outsideQuestions.push(...questions.filter((question) => !isInside(question)));
    this.#ask(questions.filter(isInside));
  }

  /** Looks again at what was outside when it was named. Returns false once all of it still is. */
  #reachFurther(): boolean {
    const files = this.#outsideFiles;
    const questions = this.#outsideQuestions;
    this.#outsideFiles = new Set();
    this.#outsideQuestions = [];
    for (const file of files) this.#addNamed(file);
    this.#askRecorded(questions);
    return this.#outsideFiles.size < files.size || this.#outsideQuestions.length < questions.length;
  }

  #lookAtBatch(): void {
    const batch = [...this.#queue].slice(0, BATCH);
    const questions: Question[] = [];
    for (const [path, asModule] of batch) {
      this.#queue.delete(path);
      questions.push(...this.#lookAt(path, asModule));
    }
    this.#ask(questions);
    this.#done += batch.length;
    this.#options.onFiles?.(this.#done + this.#queue.size, this.#done);
  }

  #lookAt(path: string, asModule: boolean): Question[] {
    const { tree, known } = this.#options;
    const stat = tree.stat(path);
    if (!stat?.isFile()) return [];
    const scope = tree.scope(dirname(path));
    let facts = known.get(path);
    if (facts === undefined || !isCurrent(facts, stat, scope?.type ?? null, asModule)) {
      facts = readFacts(tree.source(path), stat, scope?.type, asModule);
      this.#read += 1;
    }
    this.#facts.set(path, facts);
    const governing = scope?.type === 'unclear' ? undefined : scope?.path;
    this.#files.set(path, { stat, facts, scope: governing });
    if (scope !== undefined) this.#addScopes(scope.path);

    for (const url of facts.urls) this.#addUrl(path, url);
    for (const file of libraryFiles(path, facts)) this.#addAsset(file);
    const questions: Question[] = [
      ...facts.imports.map((specifier) => ({ kind: 'import', parent: path, specifier }) as const),
      ...facts.requires.map((specifier) => ({ kind: 'require', parent: path, specifier }) as const),
      ...facts.patterns.flatMap(({ kind, pattern }) =>
        computedNames(kind, pattern, dirname(path)).map((specifier) => ({
          kind,
          parent: path,
          specifier,
        })),
      ),
    ];
    if (scope !== undefined) questions.push(...this.#addOptional(path, facts, scope.path));
    if (!facts.suspicious) return questions;
    if (facts.assets === undefined || !assetsHold(facts.assets)) {
      this.#suspects.push(path);
      return questions;
    }
    return [...questions, ...this.#addAssets(path, facts)];
  }

  /** The governing package.json, and in a dependency those above it too: its "exports" decide names. */
  #addScopes(scope: string): void {
    this.#addAsset(scope);
    const directory = dirname(scope);
    if (!directory.includes('/node_modules/')) return;
    const above = this.#options.tree.scope(dirname(directory))?.path;
    if (above?.includes('/node_modules/')) this.#addScopes(above);
  }

  #addUrl(path: string, url: string): void {
    if (/^[a-z][\w+.-]*:/i.test(url)) return;
    try {
      const file = fileURLToPath(new URL(url, pathToFileURL(path)));
      this.#addNamed(file);
    } catch {
      // Not a path: nothing to pack.
    }
  }

  #addAssets(path: string, facts: FileFacts): Question[] {
    for (const file of facts.assets?.files ?? []) this.#addNamed(file);
    return (facts.assets?.names ?? []).map((name) => ({ ...name, parent: path }));
  }

  /** Where a file loads names it works out, any optional dependency of its package may be one. */
  #addOptional(path: string, facts: FileFacts, manifest: string): Question[] {
    if (facts.computed.length === 0) return [];
    const { names, files } = this.#optional.of(manifest);
    for (const file of files) this.#addAsset(file);
    // The package's own directory asks where createRequire is given its package.json.
    return names.flatMap((specifier) =>
      facts.computed.flatMap((kind) =>
        [path, manifest].map((parent) => ({ kind, parent, specifier })),
      ),
    );
  }

  async #lookCloser(): Promise<void> {
    const suspects = this.#suspects.sort();
    this.#suspects = [];
    const found = await this.#assets.find(suspects);
    const questions: Question[] = [];
    for (const [path, assets] of found) {
      const facts = this.#facts.get(path);
      if (facts === undefined) continue;
      facts.assets = assets;
      questions.push(...this.#addAssets(path, facts));
    }
    this.#ask(questions);
  }

  /** Sends questions that were not asked before. */
  #ask(questions: Question[]): void {
    const fresh = questions.filter(({ kind, parent, specifier }) => {
      const key = `${kind} ${dirname(parent)}\0${specifier}`;
      // No file has a null byte in its name; how each form of loading says so is for Node.js to word.
      const isNone = specifier === '' || specifier.startsWith('data:') || specifier.includes('\0');
      if (isNone || this.#asked.has(key)) return false;
      this.#asked.set(key, null);
      return true;
    });
    if (fresh.length === 0) return;
    const pending: Promise<void> = this.#options.resolver
      .ask(fresh)
      .then((answers) => {
        fresh.forEach((question, i) => {
          const answer = answers[i] ?? null;
          if (answer !== null) this.#settle(question, answer);
        });
      })
      .catch((error: unknown) => {
        this.#failure ??= error;
      })
      .finally(() => this.#pending.delete(pending));
    this.#pending.add(pending);
  }

  #settle(question: Question, answer: NonNullable<Answer>): void {
    const { kind, parent, specifier, within } = question;
    const directory = dirname(parent);
    const isWhole = isAbsolute(specifier) || specifier.startsWith('file:');
    if (answer.file !== undefined) {
      const { file } = answer;
      if (within !== undefined && !file.startsWith(`${within}/`)) return;
      if (isWhole && this.#extent.isOfMachine(file)) return;
      this.#followLinks(directory, specifier, file);
      this.#extent.addModule(file);
      this.#add(file, true);
    }
    // Absolute names mean something else where the tree is mounted elsewhere, and need no table.
    if (isWhole) return;
    this.#asked.set(`${kind} ${directory}\0${specifier}`, {
      directory,
      kind,
      parent,
      specifier,
      ...answer,
    });
  }

  /** Remembers the links between a name as written and the real file it led to. */
  #followLinks(directory: string, specifier: string, file: string): void {
    const { tree } = this.#options;
    if (specifier.startsWith('#')) return;
    const isPath = /^(?:\.{0,2}\/|\.{1,2}$|file:)/.test(specifier);
    if (isPath) {
      const bare = specifier.startsWith('file:') ? file : specifier.replace(/[?#].*$/, '');
      const path = resolve(directory, bare);
      if (file.startsWith(path)) return;
      for (const suffix of ['', '.js', '.json', '.node']) {
        if (tree.stat(path + suffix) !== undefined) return void tree.follow(path + suffix);
      }
      tree.follow(dirname(path));
      return;
    }
    const name = /^(?:@[^/]+\/)?[^/]+/.exec(specifier)?.[0] ?? specifier;
    for (let at = directory; ; at = dirname(at)) {
      if (!at.endsWith('/node_modules')) {
        const path = join(at, 'node_modules', name);
        if (tree.stat(join(at, 'node_modules')) !== undefined && tree.stat(path) !== undefined) {
          return void tree.follow(path);
        }
      }
      if (at === '/') return;
    }
  }
}

function realPath(path: string): string | undefined {
  try {
    return realpathSync(path);
  } catch {
    return undefined;
  }
}

/** require() leaves extensions out, so a computed name is asked for with and without. */
function computedNames(kind: Kind, pattern: string, directory: string): string[] {
  const names = expandPattern(pattern, directory);
  if (kind === 'import' || !pattern.endsWith('*')) return names;
  const short = names.map((name) => name.replace(/\.(?:js|json|node)$/, ''));
  return [...new Set([...names, ...short])];
}

function isCurrent(
  facts: FileFacts,
  stat: BigIntStats,
  packageType: string | null,
  asModule: boolean,
): boolean {
  return (
    facts.size === Number(stat.size) &&
    facts.mtimeNs === String(stat.mtimeNs) &&
    facts.ctimeNs === String(stat.ctimeNs) &&
    facts.packageType === packageType &&
    facts.asModule === asModule
  );
}

/** Libraries beside a native file, found as the dynamic linker finds them: through $ORIGIN. */
function libraryFiles(path: string, facts: FileFacts): string[] {
  const { needed = [], runPaths = [] } = facts.libraries ?? {};
  const directories = runPaths
    .filter((runPath) => /^\$(?:ORIGIN|\{ORIGIN\})/.test(runPath))
    .map((runPath) => resolve(runPath.replace(/^\$(?:ORIGIN|\{ORIGIN\})/, dirname(path))));
  return needed.flatMap((name) => {
    const found = directories.map((directory) => join(directory, name)).find((p) => existsSync(p));
    return found === undefined ? [] : [found];
  });
}

/** What walla keeps beside an entry is no part of the program. */
function isOwn(path: string): boolean {
  return path.includes('/.walla/');
}
