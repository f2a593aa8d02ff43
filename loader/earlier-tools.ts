/**
 * Tools that were preloaded before walla (`-r tool -r walla/stage`, `--import tool --import walla/stage`):
 * what they hooked or patched must go on seeing every module, so walla steps back to serving contents.
 * Nothing of this runs when walla comes first.
 */
import {
  Module,
  type ResolveContext,
  type ResolveResult,
  type SyncHooks,
} from './node-internals.ts';

const OWN_PRELOAD = /(?:^|\/)walla\/stage$|\/dist\/stage\.cjs$/;

/** Resolves to nothing, in the module loader itself, before it looks at any file. */
const PROBE = './walla-probe';
const PROBE_PARENT = 'data:text/javascript,';

/** Whether any other preload flag comes before walla's own: those of NODE_OPTIONS first, all -r before all --import. */
export function hasEarlierPreload(
  execArgv: readonly string[] = process.execArgv,
  nodeOptions = process.env['NODE_OPTIONS'] ?? '',
): boolean {
  const words = [
    ...nodeOptions.split(/\s+/).map((word) => word.replace(/^"|"$/g, '')),
    ...execArgv,
  ];
  const found: Record<'require' | 'import', string[]> = { require: [], import: [] };
  words.forEach((word, index) => {
    const [, name, value] = /^(-r|--require|--import)(?:=(.*))?$/.exec(word) ?? [];
    if (name === undefined) return;
    found[name === '--import' ? 'import' : 'require'].push(value ?? words[index + 1] ?? '');
  });
  const first = [...found.require, ...found.import][0];
  return first !== undefined && !OWN_PRELOAD.test(first.replaceAll('"', ''));
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

/**
 * Whether a hook of somebody else stands between ours and Node.js's own step: seen in the stack trace of a
 * name that does not resolve.
 */
export async function asksOthers(next: Next, context: ResolveContext): Promise<boolean> {
  try {
    await askNextHook(next, context);
    return true; // somebody made something of it
  } catch (error) {
    return passesOthers(error);
  }
}

function asksOthersSync(next: Next, context: ResolveContext): boolean {
  try {
    askNextHook(next, context);
    return true;
  } catch (error) {
    return passesOthers(error);
  }
}

/** A function of this name in the trace is where our own part of the chain ends. */
function askNextHook(next: Next, context: ResolveContext): unknown {
  const limit = Error.stackTraceLimit;
  const { parentURL } = context;
  Error.stackTraceLimit = Infinity;
  try {
    return next(PROBE, { ...context, parentURL: PROBE_PARENT });
  } finally {
    Error.stackTraceLimit = limit;
    // Node.js takes what is handed on into this very object.
    if (parentURL === undefined) delete context.parentURL;
    else context.parentURL = parentURL;
  }
}

function passesOthers(error: unknown): boolean {
  const lines = String((error as Error | undefined)?.stack).split('\n');
  const foreign = lines.find((line) => /^ +at /.test(line) && !line.includes('node:'));
  return foreign?.includes('askNextHook') !== true;
}

/**
 * Hooks that ask the next ones first where there are any, and serve the source through them.
 * @param onOthers called once if there are
 */
export function deferring(hooks: SyncHooks, onOthers: () => void): SyncHooks {
  let others: boolean | undefined;
  return {
    resolve(specifier, context, next) {
      if (others === undefined) {
        others = asksOthersSync(next, context);
        if (others) onOthers();
      }
      return others ? next(specifier, context) : hooks.resolve(specifier, context, next);
    },
    load(url, context, next) {
      if (!others) return hooks.load(url, context, next);
      const served = hooks.load(url, context, (_, { format, source }) => ({ format, source }));
      if (served.source == null) return next(url, context);
      const format = context.format ?? served.format ?? null;
      return next(url, { ...context, format, source: served.source });
    },
  };
}
