/**
 * Times the modules of rank 0. CommonJS by `Module.prototype.load` and `_compile`, which nest as requires do; ES modules
 * by hooks, which see when one is asked for and how long it takes to find and read, but not when it runs.
 */
import type { ImportAnswers } from '../../loader/import-answers.ts';
import { pathOf } from '../../loader/lookup.ts';
import { type AnyFunction, Module, patch, type SyncHooks } from '../../loader/node-internals.ts';
import type { NativeImage } from '../../native/addon.ts';
import { round } from './distribution.ts';
import type { ModuleTime } from './report.ts';
import { processMs } from '../process-clock.ts';

/** Modules that a report lists. */
const MOST_MODULES = 5000;
/** Different modules that are kept until the end. */
const MOST_KEPT = 100_000;

interface KnownModule {
  kind: ModuleTime['kind'];
  parent: string | undefined;
  askedMs: number;
  loadMs?: number;
  evaluatedMs?: number;
  selfMs?: number;
  totalMs?: number;
}

/** A CommonJS module that is being loaded: what it requires is timed by itself. */
interface Frame {
  filename: string;
  /** When its source was there, and its code began. */
  compiledMs: number | undefined;
  /** Time that others took meanwhile, before and after that. */
  othersLoadMs: number;
  othersRunMs: number;
}

interface LoadableModule {
  load(filename: string): unknown;
  _compile(content: string, filename: string, format?: string): unknown;
}

export class ModuleRecorder {
  readonly #image: NativeImage;
  readonly #root: string;
  readonly #modules = new Map<string, KnownModule>();
  readonly #frames: Frame[] = [];

  /** @param root absolute directory that stands for the archive's root */
  constructor(image: NativeImage, root: string) {
    this.#image = image;
    this.#root = root === '/' ? root : `${root}/`;
    const { prototype } = Module as unknown as { prototype: LoadableModule };
    // One frame each in a stack trace, and only where a report is kept.
    patch(prototype, 'load', (original) => this.#timedLoad(original));
    patch(prototype, '_compile', (original) => this.#timedCompile(original));
  }

  timing(hooks: SyncHooks): SyncHooks {
    return {
      resolve: (specifier, context, next) => {
        // A require is seen where it loads.
        if (context.conditions.includes('require')) return hooks.resolve(specifier, context, next);
        const askedMs = processMs();
        const found = hooks.resolve(specifier, context, next);
        this.#asked('import', found.url, context.parentURL, askedMs);
        return found;
      },
      load: (url, context, next) => {
        const startMs = processMs();
        const loaded = hooks.load(url, context, next);
        const known = this.#modules.get(nameOf(url));
        if (known) known.loadMs ??= processMs() - startMs;
        return loaded;
      },
    };
  }

  watching(answers: ImportAnswers): ImportAnswers {
    const resolve = answers.resolve.bind(answers);
    answers.resolve = (specifier, parentURL) => {
      const askedMs = processMs();
      const found = resolve(specifier, parentURL);
      if (found && 'url' in found) this.#asked('import', found.url, parentURL, askedMs);
      return found;
    };
    return answers;
  }

  /** What was loaded, in the order in which it was asked for; the most expensive where it is too much. */
  listed(): { modules: ModuleTime[]; unlistedModules: number } {
    const all = [...this.#modules];
    const kept =
      all.length <= MOST_MODULES
        ? all
        : all.sort(([, a], [, b]) => costOf(b) - costOf(a)).slice(0, MOST_MODULES);
    kept.sort(([, a], [, b]) => a.askedMs - b.askedMs);
    const positions = new Map(kept.map(([name], index) => [name, index]));
    const modules = kept.map(([name, module]): ModuleTime => {
      const entry = name.startsWith('/') ? this.#image.find(name, true) : -1;
      const { kind, parent, askedMs } = module;
      const asker = parent === undefined ? undefined : positions.get(parent);
      return {
        path: name.startsWith(this.#root) ? name.slice(this.#root.length) : name,
        kind,
        ...(asker !== undefined && { parent: asker }),
        packed: entry >= 0,
        ...(entry >= 0 && { bytes: this.#bytes(entry) }),
        askedMs: round(askedMs),
        ...rounded(module),
      };
    });
    return { modules, unlistedModules: all.length - kept.length };
  }

  #bytes(entry: number): number {
    const stat = new Float64Array(4);
    this.#image.stat(entry, stat);
    return stat[1] ?? 0;
  }

  #asked(
    kind: KnownModule['kind'],
    url: string,
    parent: string | undefined,
    askedMs: number,
  ): KnownModule | undefined {
    if (url.startsWith('node:')) return undefined;
    const name = nameOf(url);
    const known = this.#modules.get(name);
    if (known || this.#modules.size >= MOST_KEPT) return known;
    const module: KnownModule = {
      kind,
      parent: parent === undefined ? undefined : nameOf(parent),
      askedMs,
    };
    this.#modules.set(name, module);
    return module;
  }

  #timedLoad(original: AnyFunction): (this: unknown, ...args: unknown[]) => unknown {
    const frames = this.#frames;
    const loaded = this.#loaded.bind(this);
    return function (...args) {
      const startMs = processMs();
      const filename = String(args[0]);
      const frame: Frame = { filename, compiledMs: undefined, othersLoadMs: 0, othersRunMs: 0 };
      frames.push(frame);
      try {
        return original.apply(this, args as never);
      } finally {
        frames.pop();
        loaded(startMs, frame);
      }
    };
  }

  #timedCompile(original: AnyFunction): (this: unknown, ...args: unknown[]) => unknown {
    const frames = this.#frames;
    return function (...args) {
      const frame = frames.at(-1);
      if (frame) frame.compiledMs ??= processMs();
      return original.apply(this, args as never);
    };
  }

  #loaded(startMs: number, { filename, compiledMs, othersLoadMs, othersRunMs }: Frame): void {
    const endMs = processMs();
    const around = this.#frames.at(-1);
    if (around?.compiledMs === undefined) {
      if (around) around.othersLoadMs += endMs - startMs;
    } else around.othersRunMs += endMs - startMs;
    const known = this.#asked('require', filename, around?.filename, startMs);
    if (!known || known.evaluatedMs !== undefined) return;
    known.loadMs ??= (compiledMs ?? endMs) - startMs - othersLoadMs;
    if (compiledMs === undefined) return;
    known.evaluatedMs = compiledMs;
    known.totalMs = endMs - compiledMs;
    known.selfMs = endMs - compiledMs - othersRunMs;
  }
}

/** A path where the URL is one of a plain file, so that `require` and `import` know it by one name. */
function nameOf(url: string): string {
  return url.startsWith('file:') && !/[?#]/.test(url) ? (pathOf(url) ?? url) : url;
}

function costOf({ loadMs = 0, selfMs = 0 }: KnownModule): number {
  return loadMs + selfMs;
}

function rounded(module: KnownModule): Partial<ModuleTime> {
  const times: Partial<ModuleTime> = {};
  for (const name of ['loadMs', 'evaluatedMs', 'selfMs', 'totalMs'] as const) {
    const value = module[name];
    if (value !== undefined) times[name] = round(value);
  }
  return times;
}
