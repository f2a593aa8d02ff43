/** The parts of Node.js's module loader that walla patches and that @types/node does not describe. */
import nodeModule from 'node:module';
import type { ModuleFormat } from '../stage/format/index-layout.ts';

export interface ResolveOptions {
  paths?: readonly string[];
  conditions?: unknown;
}

export interface LoadContext {
  conditions?: readonly string[];
  format?: string | null;
  importAttributes?: Record<string, string>;
  source?: unknown;
}

export function hasAttributes({ importAttributes }: LoadContext): boolean {
  return importAttributes !== undefined && Object.keys(importAttributes).length > 0;
}

/**
 * The format to load a packed module in: what other hooks have made of it goes before what the archive says.
 * @returns undefined where Node.js's own step has to do it
 */
export function formatToLoad({ format }: LoadContext, packed: ModuleFormat): string | undefined {
  if (format === undefined || format === null || format === packed) return packed;
  return format === 'module' ? format : undefined;
}

export interface ResolveContext {
  conditions: readonly string[];
  importAttributes?: Record<string, string>;
  parentURL?: string;
}

export interface ResolveResult {
  url: string;
  format?: string | null | undefined;
  shortCircuit?: boolean;
}

export interface LoadResult {
  format: string | null | undefined;
  source?: unknown;
  shortCircuit?: boolean;
}

export interface SyncHooks {
  resolve(
    specifier: string,
    context: ResolveContext,
    next: (specifier: string, context: ResolveContext) => ResolveResult,
  ): ResolveResult;
  load(
    url: string,
    context: LoadContext,
    next: (url: string, context: LoadContext) => LoadResult,
  ): LoadResult;
}

export interface CompilableModule extends NodeJS.Module {
  _compile(content: string, filename: string, format?: string): unknown;
}

type CompileCacheStatus = 'FAILED' | 'ENABLED' | 'ALREADY_ENABLED' | 'DISABLED';

export interface CompileCacheResult {
  status: number;
  message?: string;
  directory?: string;
}

export interface ModuleInternals {
  _resolveFilename(
    request: string,
    parent: NodeJS.Module | null | undefined,
    isMain: boolean,
    options?: ResolveOptions,
  ): string;
  _findPath(
    request: string,
    paths: readonly string[] | null,
    isMain: boolean,
    ...rest: unknown[]
  ): string | false;
  /** Directories of packages for everyone: those of NODE_PATH, of the home directory, of Node.js. */
  globalPaths?: readonly string[];
  _extensions: Record<string, (module: CompilableModule, filename: string) => void>;
  _load(request: string, parent: NodeJS.Module | null, isMain: boolean): unknown;
  _cache: Record<string, NodeJS.Module | undefined>;
  runMain(main?: string): unknown;
  register(...args: unknown[]): unknown;
  isBuiltin(specifier: string): boolean;
  /** Node.js 22.1; 22.8 the others. doc/api/module.md, "Module compile cache" */
  enableCompileCache?(options?: unknown): CompileCacheResult;
  getCompileCacheDir?(): string | undefined;
  flushCompileCache?(keepDeserializedCache?: boolean): void;
  constants?: { compileCacheStatus?: Record<CompileCacheStatus, number> };
  registerHooks?(hooks: SyncHooks): { deregister(): void };
  syncBuiltinESMExports(): void;
}

export const Module = nodeModule as unknown as ModuleInternals;

/** A function of some object, as a patch sees the original. */
export type AnyFunction = (this: unknown, ...args: never[]) => unknown;

/**
 * Replaces one method. Own properties (`realpathSync.native`, promisify's symbols), name and length
 * stay, so that code that looks at the function sees what it did before.
 * @param make gets the original and gives the replacement itself: one frame in a stack trace, as before
 */
export function patch<Target extends object, Name extends keyof Target>(
  target: Target,
  name: Name,
  make: (original: Target[Name] & AnyFunction) => (this: unknown, ...args: unknown[]) => unknown,
): void {
  const original = target[name] as Target[Name] & AnyFunction;
  const patched = make(original);
  for (const key of Reflect.ownKeys(original)) {
    const descriptor = Object.getOwnPropertyDescriptor(original, key);
    if (descriptor && key !== 'prototype') Object.defineProperty(patched, key, descriptor);
  }
  target[name] = patched as unknown as Target[Name];
}
