import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { WALLA_DIRECTORY } from '../archive-path.ts';
import { codeCacheTag } from '../code-cache.ts';
import { WallaError } from '../errors.ts';
import { CODE_CACHE_SUFFIX, encodeCodeCaches } from '../format/code-cache.ts';
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
 * Runs a program once with Node.js's compile cache in an empty directory, its output on stderr, and keeps what
 * V8 compiled as one file in `.walla` beside it.
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
    runProgram(entry, scratch, run);
    const tag = codeCacheTag();
    const made = readdirSync(scratch).find((name) => name.startsWith(tag));
    const directory = made === undefined ? undefined : join(scratch, made);
    const names = directory === undefined ? [] : readdirSync(directory).sort();
    const caches = names.map((name) => ({ name, data: readFileSync(join(directory ?? '', name)) }));
    const file = codeCachePath(entry);
    const temporary = `${file}.tmp-${process.pid}`;
    writeFileSync(temporary, encodeCodeCaches({ tag, caches }));
    renameSync(temporary, file);
    return tag;
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

function runProgram(entry: string, scratch: string, run: CodeCacheRun): void {
  const flags = [
    ...ruleFlags(),
    ...userConditions(run.conditions).map((condition) => `--conditions=${condition}`),
    ...(run.preserveSymlinks ? ['--preserve-symlinks'] : []),
  ];
  const { status, signal, error } = spawnSync(process.execPath, [...flags, entry, ...run.args], {
    cwd: run.directory,
    // The report of the pack goes to stdout, the program's output must not mix with it.
    stdio: ['inherit', 2, 2],
    env: { ...process.env, NODE_COMPILE_CACHE: scratch },
  });
  if (status === 0) return;
  const how = error?.message ?? (signal ? `ended by ${signal}` : `exit code ${String(status)}`);
  throw new WallaError('ERR_WALLA_PACK', `the run of ${entry} for its code cache failed: ${how}`, {
    hint: 'give the program the arguments it needs after --, or pack without --code-cache',
  });
}
