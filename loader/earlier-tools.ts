/**
 * Tools that were preloaded before walla (`-r tool -r walla/stage`, `--import tool --import walla/stage`):
 * what they hooked or patched must go on seeing every module, so walla steps back to serving contents.
 * Nothing of this runs when walla comes first.
 */
import { fileURLToPath } from 'node:url';
import {
  type LoadContext,
  type LoadResult,
  Module,
  type ResolveContext,
  type ResolveResult,
  type SyncHooks,
} from './node-internals.ts';
import { withStackTraceLimit } from './stack-trace-limit.ts';
import { nodeWords, valuesOf } from './node-words.ts';

const OWN_PRELOAD = /(?:^|\/)walla\/stage$|\/dist\/stage\.cjs$/;

const OWN_FILE = fileURLToPath(import.meta.url);

/** Resolves to nothing, in the module loader itself, before it looks at any file. */
const PROBE = './walla-probe';
const PROBE_PARENT = 'data:text/javascript,';
/** Of a scheme that Node.js refuses before it looks at anything. */
const PROBE_URL = 'walla-probe:';

/** Whether any other preload flag comes before walla's own: those of NODE_OPTIONS first, all -r before all --import. */
export function hasEarlierPreload(
  execArgv: readonly string[] = process.execArgv,
  nodeOptions = process.env['NODE_OPTIONS'] ?? '',
): boolean {
  const words = nodeWords(execArgv, nodeOptions);
  const [first] = [...valuesOf(words, '-r', '--require'), ...valuesOf(words, '--import')];
  return first !== undefined && !OWN_PRELOAD.test(first);
}

/** Whether Node.js runs the entry through its ES module loader, whatever it is: for others' --import or a loader. */
export function isEntryImported(): boolean {
  const words = nodeWords();
  return (
    hasLoaderFlag(words) || valuesOf(words, '--import').some((value) => !OWN_PRELOAD.test(value))
  );
}

/** Whether a user's own loader was given as a flag. */
export function hasLoaderFlag(words: readonly string[] = nodeWords()): boolean {
  return valuesOf(words, '--loader', '--experimental-loader').length > 0;
}

/** Whether somebody has put a function of their own in place of one of Node.js's. */
export function isPatched(what: 'resolve' | 'load'): boolean {
  // Node.js's own text, the same from 20 to 26: lib/internal/modules/cjs/loader.js.
  return what === 'resolve'
    ? !String(Reflect.get(Module, '_resolveFilename')).includes(
        'BuiltinModule.normalizeRequirableId(request)',
      )
    : !String(Module._extensions['.js']).includes("StringPrototypeEndsWith(filename, '.cjs')") ||
        !String(Module._extensions['.json']).includes("'exports', JSONParse(stripBOM(content))");
}

type Next = (specifier: string, context: ResolveContext) => ResolveResult | Promise<ResolveResult>;
type NextLoad = (url: string, context: LoadContext) => LoadResult | Promise<LoadResult>;

/**
 * Whether a hook of somebody else stands between ours and Node.js's own step: seen in the stack trace of a
 * name that does not resolve.
 */
export function asksOthers(next: Next, context: ResolveContext): Promise<boolean> {
  return isThroughOthers(() => askToResolve(next, context));
}

/** The same of hooks that load: a tool may have no others. */
export function loadsThroughOthers(next: NextLoad, context: LoadContext): Promise<boolean> {
  return isThroughOthers(() => askToLoad(next, context));
}

async function isThroughOthers(ask: () => unknown): Promise<boolean> {
  try {
    await ask();
    return true; // somebody made something of it
  } catch (error) {
    return passesOthers(error);
  }
}

function isThroughOthersSync(ask: () => unknown): boolean {
  try {
    ask();
    return true;
  } catch (error) {
    return passesOthers(error);
  }
}

function askToResolve(next: Next, context: ResolveContext): unknown {
  return askNext(next, PROBE, context, { parentURL: PROBE_PARENT });
}

function askToLoad(next: NextLoad, context: LoadContext): unknown {
  return askNext(next, PROBE_URL, context, { format: null, importAttributes: {} });
}

/** Asks in another context, and puts back what Node.js has taken from that into the one it gave. */
function askNext<Context extends object>(
  next: (first: string, context: Context) => unknown,
  first: string,
  context: Context,
  asked: Partial<Context>,
): unknown {
  const before = { ...context };
  try {
    return withStackTraceLimit(
      () => Infinity,
      () => askNextHook(next, first, { ...before, ...asked }),
    );
  } finally {
    for (const name of Object.keys(asked) as (keyof Context)[]) {
      if (name in before) context[name] = before[name];
      else Reflect.deleteProperty(context, name);
    }
  }
}

/** Its name in the trace is where our own part of the chain ends: at the top of the file, where names stay (.ci/build.mjs). */
function askNextHook<Context>(
  next: (first: string, context: Context) => unknown,
  first: string,
  context: Context,
): unknown {
  return next(first, context);
}

function passesOthers(error: unknown): boolean {
  const lines = String((error as Error | undefined)?.stack).split('\n');
  const isOwn = (line: string) => line.includes('askNextHook');
  // Node.js's own step goes through walla's patches too.
  const isForeign = (line: string) => !line.includes('node:') && !line.includes(OWN_FILE);
  const first = lines.find((line) => /^ +at /.test(line) && (isOwn(line) || isForeign(line)));
  return first === undefined || !isOwn(first);
}

/**
 * Whether a source may go along with the question to other hooks. A hook may hand its context on with another URL,
 * and would get this source for that: those that wrap modules do so, under URLs with a query.
 */
export function takesSource(url: string): boolean {
  return !url.includes('?');
}

/**
 * Hooks that ask the next ones first where there are any, and serve the source through them.
 * @param onOthers called once if there are
 */
export function deferring(hooks: SyncHooks, onOthers: () => void): SyncHooks {
  let resolveThroughOthers: boolean | undefined;
  let loadThroughOthers: boolean | undefined;
  return {
    resolve(specifier, context, next) {
      if (resolveThroughOthers === undefined) {
        resolveThroughOthers = isThroughOthersSync(() => askToResolve(next, context));
        if (resolveThroughOthers) onOthers();
      }
      return resolveThroughOthers
        ? next(specifier, context)
        : hooks.resolve(specifier, context, next);
    },
    load(url, context, next) {
      if (loadThroughOthers === undefined) {
        loadThroughOthers =
          resolveThroughOthers === true || isThroughOthersSync(() => askToLoad(next, context));
        if (loadThroughOthers) onOthers();
      }
      if (!loadThroughOthers) return hooks.load(url, context, next);
      const served = hooks.load(url, context, (_, { format, source }) => ({ format, source }));
      // CommonJS that comes with a source has another `require` where hooks run off the thread.
      const isCommonJS = served.format?.startsWith('commonjs') === true;
      if (served.source == null || isCommonJS || !takesSource(url)) return next(url, context);
      const format = context.format ?? served.format ?? null;
      return next(url, { ...context, format, source: served.source });
    },
  };
}
