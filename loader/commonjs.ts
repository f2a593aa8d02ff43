/**
 * CommonJS from the image. Node.js's own functions are patched rather than hooked: hooks do not see
 * `require.resolve`'s `paths`, and still look for package.json files in C++ (docs/node-hooks.md).
 */
import { KIND_REQUIRE } from '../stage/format/index-layout.ts';
import { withoutMark } from './import-source.ts';
import type { Lookup } from './lookup.ts';
import type { MainEntry } from './main-entry.ts';
import { hasSyncHooks, isParentDeprecated } from './node-features.ts';
import {
  type AnyFunction,
  type CompilableModule,
  Module,
  patch,
  type ResolveOptions,
} from './node-internals.ts';
import { setModuleExtensions } from './own-extensions.ts';
import type { PackageSearch } from './package-search.ts';
import { countModule } from './large-program.ts';
import type { UsualConditions } from './usual-conditions.ts';

export type { Entry } from './main-entry.ts';

/**
 * @param otherHooks synchronous hooks of other tools: if there are any, Node.js loads, and asks all hooks
 * @param isResolvedByOthers another tool was here first and answers names: then Node.js resolves
 * @param search where packages are looked for
 * @param usual the conditions that the archive's answers are made for
 */
export function installCommonJS(
  lookup: Lookup,
  main: MainEntry,
  otherHooks: { readonly present: boolean },
  isResolvedByOthers: boolean,
  search: PackageSearch,
  usual: UsualConditions,
): void {
  setModuleExtensions(Module._extensions);
  if (!isResolvedByOthers)
    patch(Module, '_resolveFilename', (original) =>
      resolveFilename(original, lookup, main, search, usual),
    );
  patch(Module._extensions, '.js', (original) => loadScript(original, lookup, otherHooks));
  patch(Module._extensions, '.json', (original) => loadJson(original, lookup, otherHooks));
}

type Replacement = (this: unknown, ...args: unknown[]) => unknown;

function resolveFilename(
  original: AnyFunction,
  lookup: Lookup,
  main: MainEntry,
  search: PackageSearch,
  usual: UsualConditions,
): Replacement {
  return function patched(...args) {
    const [request, parent, , options] = args as [
      unknown,
      NodeJS.Module | null | undefined,
      boolean,
      ResolveOptions?,
    ];
    if (
      typeof request === 'string' &&
      options?.paths === undefined &&
      usual.are(options?.conditions as Iterable<string> | undefined)
    ) {
      if (typeof parent?.filename === 'string') {
        const answer = search.isUsual(request, parent)
          ? lookup.require(request, parent.filename)
          : undefined;
        if (typeof answer === 'string') return answer;
        if (answer !== undefined && !isParentDeprecated) throw answer.absent(parent, patched);
        if (lookup.misses)
          return lookup.misses.resolving(KIND_REQUIRE, request, parent.filename, () =>
            original.apply(this, args as never),
          );
      } else if (request.startsWith('/') && !search.isReplaced()) {
        const found = main.realOf(request) ?? lookup.requirePath(request, request);
        if (typeof found === 'string') return found;
      }
    }
    return original.apply(this, args as never);
  };
}

function loadScript(
  original: AnyFunction,
  lookup: Lookup,
  otherHooks: { readonly present: boolean },
): Replacement {
  const { image } = lookup;
  return function (...args) {
    const [module, filename] = args as [CompilableModule, string];
    const packed = otherHooks.present ? -1 : lookup.realFile(filename);
    const format = packed < 0 ? undefined : lookup.format(packed);
    // A file without a module format (a script of another kind) is for Node.js to judge.
    if (format === undefined || format === 'json') return original.apply(this, args as never);
    countModule();
    const text = image.text(packed);
    // Of a module that is imported Node.js decodes the text again, which takes the mark away.
    const plain = withoutMark(text);
    const isDecoded = plain !== text && hasSyncHooks && isImportedFirst(module);
    return module._compile(isDecoded ? plain : text, filename, format);
  };
}

/** Node.js's own mark, from 22 on: lib/internal/modules/esm/translators.js, `cjsPreparseModuleExports`. */
function isImportedFirst(module: object): boolean {
  return Object.getOwnPropertySymbols(module).some(
    (symbol) =>
      symbol.description === 'kIsCachedByESMLoader' && Reflect.get(module, symbol) === true,
  );
}

function loadJson(
  original: AnyFunction,
  lookup: Lookup,
  otherHooks: { readonly present: boolean },
): Replacement {
  const { image } = lookup;
  const { parse } = JSON;
  return function (...args) {
    const [module, filename] = args as [CompilableModule, string];
    const packed = otherHooks.present ? -1 : lookup.realFile(filename);
    if (packed < 0) return original.apply(this, args as never);
    const text = image.text(packed);
    try {
      module.exports = parse(withoutMark(text)) as unknown;
    } catch (error) {
      (error as Error).message = filename + ': ' + (error as Error).message;
      throw error;
    }
    return undefined;
  };
}
