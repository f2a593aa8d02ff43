import { spawnSync } from 'node:child_process';
import {
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { WALLA_DIRECTORY } from '../archive-path.ts';
import { codeCacheTag } from '../code-cache.ts';
import { WallaError } from '../errors.ts';
import { CODE_CACHE_SUFFIX, encodeCodeCaches } from '../format/code-cache.ts';
import { importsAtOnce } from '../../loader/node-features.ts';
import { ruleFlags, userConditions } from '../resolution-rules.ts';

export interface CodeCacheRun {
  args: readonly string[];
  conditions: readonly string[];
  preserveSymlinks: boolean;
  /** Working directory of the run. */
  directory: string;
}

/** The file that is packed: made anew by each `walla pack --code-cache`. */
export function codeCachePath(entry: string): string {
  return join(dirname(entry), WALLA_DIRECTORY, basename(entry) + CODE_CACHE_SUFFIX);
}

/**
 * Runs a program with Node.js's compile cache in an empty directory, its output on stderr, and keeps what V8 compiled as
 * one file in `.walla` beside it. Once, but for versions of Node.js 24 that import asynchronously.
 * @param entry real path of the program
 * @returns the tag of the Node.js that made the caches
 * @throws WallaError ERR_WALLA_USAGE, ERR_WALLA_PACK
 */
export function makeCodeCache(entry: string, run: CodeCacheRun): string {
  if (!('enableCompileCache' in process.getBuiltinModule('node:module')))
    throw new WallaError(
      'ERR_WALLA_USAGE',
      `Node.js ${process.versions.node} has no compile cache`,
      { hint: 'pack with Node.js 22.1 or later, or without --code-cache' },
    );
  const scratch = mkdtempSync(join(tmpdir(), 'walla-code-cache-'));
  try {
    const directories = runProgram(entry, scratch, run);
    const tag = codeCacheTag();
    const caches = directories.reduce(
      (found, directory) => readCaches(directory, tag, found),
      new Map<string, Buffer>(),
    );
    const sorted = [...caches].sort(([one], [other]) => (one < other ? -1 : 1));
    const file = codeCachePath(entry);
    const temporary = `${file}.tmp-${process.pid}`;
    const bytes = encodeCodeCaches({ tag, caches: sorted.map(([name, data]) => ({ name, data })) });
    writeFileSync(temporary, bytes);
    renameSync(temporary, file);
    return tag;
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

/** Adds the caches that Node.js keeps below a directory, in place of others of the same module. */
function readCaches(
  directory: string,
  tag: string,
  found: Map<string, Buffer>,
): Map<string, Buffer> {
  if (!existsSync(directory)) return found;
  const made = readdirSync(directory).find((name) => name.startsWith(tag));
  const names = made === undefined ? [] : readdirSync(join(directory, made));
  for (const name of names) found.set(name, readFileSync(join(directory, made ?? '', name)));
  return found;
}

/** @returns where the caches are; of two of a module, that in the last directory is the better one */
function runProgram(entry: string, scratch: string, run: CodeCacheRun): string[] {
  if (importsAtOnce) {
    const maker = fileURLToPath(new URL('./code-cache-maker.cjs', import.meta.url));
    start(entry, run, ['-r', maker], { _WALLA_CODE_CACHE: scratch });
    if (existsSync(join(scratch, 'complete')))
      return [join(scratch, 'others'), join(scratch, 'program')];
  }
  const usual = join(scratch, 'usual');
  start(entry, run, [], { NODE_COMPILE_CACHE: usual });
  return [usual];
}

function start(
  entry: string,
  run: CodeCacheRun,
  preload: readonly string[],
  env: NodeJS.ProcessEnv,
): void {
  const flags = [
    ...preload,
    ...ruleFlags(),
    ...userConditions(run.conditions).map((condition) => `--conditions=${condition}`),
    ...(run.preserveSymlinks ? ['--preserve-symlinks'] : []),
  ];
  const { status, signal, error } = spawnSync(process.execPath, [...flags, entry, ...run.args], {
    cwd: run.directory,
    // The report of the pack goes to stdout, the program's output must not mix with it.
    stdio: ['inherit', 2, 2],
    env: { ...process.env, ...env },
  });
  if (status === 0) return;
  const how = error?.message ?? (signal ? `ended by ${signal}` : `exit code ${String(status)}`);
  throw new WallaError('ERR_WALLA_PACK', `the run of ${entry} for its code cache failed: ${how}`, {
    hint: 'give the program the arguments it needs after --, or pack without --code-cache',
  });
}
