/**
 * Node.js's compile cache, as a program sees it that has not turned it on. Walla has, for the code that came with the archive, and a
 * process has one cache alone. So what a program is told of its own cache is what it would be told without walla, but
 * nothing is kept there: lib/internal/modules/helpers.js, enableCompileCache; src/compile_cache.cc, CompileCacheHandler::Enable.
 */
import { mkdirSync } from 'node:fs';
import { basename, resolve } from 'node:path';
import { portableCacheHasNoUser, takesOptions } from './node-features.ts';
import { type CompileCacheResult, Module, patch } from './node-internals.ts';

/** To be called when walla's own cache is on, and before `syncBuiltinESMExports`. */
export function hideCompileCache(): void {
  const statuses = Module.constants?.compileCacheStatus;
  const own = Module.getCompileCacheDir?.();
  if (!statuses || own === undefined) return;
  const { FAILED, ENABLED, ALREADY_ENABLED, DISABLED } = statuses;
  const loader = Module as Required<typeof Module>;
  let theirs: string | undefined;
  patch(
    loader,
    'enableCompileCache',
    (original) =>
      function enableCompileCache(options?: unknown): CompileCacheResult {
        const { directory, portable } = choiceOf(options, takesOptions(original));
        // Their mistake, in Node.js's own words.
        if (typeof directory !== 'string') return original(options);
        if (process.env['NODE_DISABLE_COMPILE_CACHE'] !== undefined)
          return { status: DISABLED, message: 'Disabled by NODE_DISABLE_COMPILE_CACHE' };
        if (theirs !== undefined) return { status: ALREADY_ENABLED, directory: theirs };
        const name = basename(own);
        const found = `${resolve(directory)}/${portable ? name.replace(/-\d+$/, '') : name}`;
        try {
          mkdirSync(found, { recursive: true });
        } catch (error) {
          // Node.js says what has gone wrong without the code and the path.
          const reason = (error as Error).message.replace(/^\w+: |, \w+ '.*$/g, '');
          return { status: FAILED, message: `Cannot create cache directory: ${reason}` };
        }
        theirs = found;
        return { status: ENABLED, directory: resolve(directory) };
      },
  );
  patch(
    loader,
    'getCompileCacheDir',
    () =>
      function getCompileCacheDir(): string | undefined {
        return theirs;
      },
  );
}

/** What a call asks for, as this Node.js reads its argument. */
function choiceOf(
  argument: unknown,
  hasOptions: boolean,
): { directory: unknown; portable: boolean } {
  const { env } = process;
  const isObject = hasOptions && typeof argument === 'object' && argument !== null;
  const { directory, portable } = (isObject ? argument : { directory: argument }) as {
    directory?: unknown;
    portable?: unknown;
  };
  const { tmpdir } = process.getBuiltinModule('node:os');
  const chosen = hasOptions ? (env['NODE_COMPILE_CACHE'] ?? '') : '';
  const usual = chosen === '' ? `${tmpdir()}/node-compile-cache` : chosen;
  return {
    directory: directory === undefined ? usual : directory,
    portable:
      portableCacheHasNoUser &&
      Boolean(portable === undefined ? env['NODE_COMPILE_CACHE_PORTABLE'] === '1' : portable),
  };
}
