/** Has V8 compile a program while it is packed, and keeps the code as Node.js's own compile cache keeps it. */
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { hasSyncHooks, importsAtOnce } from '../../loader/node-features.ts';
import { packageDirectory } from '../../native/addon-path.ts';
import { codeCacheTag } from '../code-cache.ts';
import { WallaError } from '../errors.ts';
import type { CodeCaches } from '../format/code-cache.ts';
import type { ModuleFormat } from '../format/index-layout.ts';
import { ruleFlags, userConditions } from '../resolution-rules.ts';
import type { FileFacts } from './file-facts.ts';
import { Scratch, scratchBase } from './scratch.ts';

/** Something that Node.js compiles. */
export interface CompilableFile {
  /** Absolute, as the program names it. */
  path: string;
  /** Where its content is now. */
  source: string;
  format: ModuleFormat | undefined;
  /** In bytes. */
  size: number;
}

export interface CodeCacheRun {
  args: readonly string[];
  conditions: readonly string[];
  preserveSymlinks: boolean;
  /** Working directory of the run. */
  directory: string;
}

/** Whether modules can be compiled without being run: needs a compile cache and hooks on the same thread. */
export const compilesModules = hasSyncHooks;

/** By these a program sees how its own code is compiled, and counts its blocks, which V8 does not in code from a cache. */
const LOOKERS = /^(?:node:)?(?:inspector|inspector\/promises|test)$/;

/** Whether any of a program's files asks for one of these: then it goes without code caches. */
export function looksAtCode(files: readonly FileFacts[]): boolean {
  return files.some(({ imports, requires }) =>
    [...imports, ...requires].some((name) => LOOKERS.test(name)),
  );
}

/**
 * What one process compiles, in bytes of source. V8 takes about ten times as much memory, and nothing is freed meanwhile.
 */
const GROUP_BYTES = 32 * 1024 * 1024;

/** No collection of memory, and no number drawn by lot: see code-cache-of-modules.cjs. In MiB, and two seeds. */
const EQUAL_CACHES = [
  '--initial-heap-size=4000',
  '--min-semi-space-size=256',
  '--max-semi-space-size=256',
  '--hash-seed=1',
  '--random-seed=1',
];

/**
 * Compiles JavaScript modules, in processes of this Node.js without any other flags, and runs none of them. The same files
 * give the same bytes.
 * @returns the caches, sorted by name; where a process failed, such as for lack of memory, how it ended
 */
export async function compileCodeCaches(
  files: readonly CompilableFile[],
): Promise<CodeCaches | string> {
  const compiled = files.filter(({ format }) => format === 'module' || format === 'commonjs');
  return inScratch(roomFor(compiled), async (scratch) => {
    const caches = new Map<string, Buffer>();
    let tag = codeCacheTag();
    for (const [number, modules] of groups(compiled).entries()) {
      const directory = join(scratch.directory, String(number));
      let ended = await compile(scratch, directory, modules);
      // Rare, and looking first whether each module is JavaScript takes longer.
      if (ended.status === BROKEN) ended = await compile(scratch, directory, modules, CHECKING);
      if (ended.status !== 0) return howEnded(ended);
      tag = readCaches(directory, caches) ?? tag;
    }
    readPreload(scratch, caches);
    return { tag, caches: sorted(caches) };
  });
}

/** Of code-cache-of-modules.cjs: an exit code, and what has it leave out what is no JavaScript. */
const BROKEN = 3;
const CHECKING = '--experimental-vm-modules';

async function compile(
  scratch: Scratch,
  directory: string,
  modules: readonly CompilableFile[],
  ...flags: string[]
): Promise<Ending> {
  const maker = fileURLToPath(new URL('./code-cache-of-modules.cjs', import.meta.url));
  const words = [...EQUAL_CACHES, ...flags, maker, scratch.directory, String(process.pid)];
  const child = spawn(process.execPath, words, {
    env: withoutNodeVariables(process.env),
    stdio: ['pipe', 'ignore', 'ignore'],
  });
  scratch.writer = child;
  child.stdin.on('error', () => undefined); // it has ended, which its status tells
  const file = preloadCache(scratch);
  const script = existsSync(file) ? undefined : { source: PRELOAD_TEXT, file };
  child.stdin.end(JSON.stringify({ directory, modules, script }));
  return ending(child);
}

/** What dist/stage.cjs has V8 compile, character for character. */
const PRELOAD_TEXT = `${packageDirectory()}/dist/preload-text.js`;

function preloadCache(scratch: Scratch): string {
  return join(scratch.directory, 'preload');
}

/** Walla's own preload is one more script of the program, under a longer name: dist/stage.cjs looks for it. */
function readPreload(scratch: Scratch, into: Map<string, Buffer>): void {
  const text = readFileSync(PRELOAD_TEXT);
  const name = createHash('sha256').update(text).digest('hex').slice(0, 16);
  into.set(name, readFileSync(preloadCache(scratch)));
}

/** NODE_OPTIONS, NODE_COMPILE_CACHE, NODE_V8_COVERAGE and the like are for the user's own programs. */
function withoutNodeVariables(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(env).filter(([name]) => !name.startsWith('NODE_')));
}

/** A cache is mostly smaller than its source, but takes a page. In bytes. */
function roomFor(files: readonly CompilableFile[]): number {
  return files.reduce((sum, { size }) => sum + 2 * size + 4096, 0);
}

function groups(files: readonly CompilableFile[]): CompilableFile[][] {
  const groups: CompilableFile[][] = [[]];
  let bytes = 0;
  for (const file of files) {
    bytes += file.size;
    if (bytes > GROUP_BYTES && groups.at(-1)?.length) {
      groups.push([]);
      bytes = file.size;
    }
    groups.at(-1)?.push(file);
  }
  return groups;
}

/**
 * Runs a program with Node.js's compile cache in an empty directory, its output on stderr, and takes what V8 compiled.
 * Once, but for versions of Node.js 24 that import asynchronously.
 * @param entry real path of the program
 * @throws WallaError ERR_WALLA_USAGE, ERR_WALLA_PACK
 */
export async function codeCachesOfRun(entry: string, run: CodeCacheRun): Promise<CodeCaches> {
  if (!('enableCompileCache' in process.getBuiltinModule('node:module')))
    throw new WallaError(
      'ERR_WALLA_USAGE',
      `Node.js ${process.versions.node} has no compile cache`,
      { hint: 'pack with Node.js 22.1 or later, or without --code-cache' },
    );
  return inScratch(LARGE_PROGRAM_BYTES, async (scratch) => {
    const caches = new Map<string, Buffer>();
    // Of two caches of a module, that in the last directory is the better one.
    for (const directory of await runProgram(entry, scratch.directory, run))
      readCaches(directory, caches);
    const ended = await compile(scratch, join(scratch.directory, 'none'), []);
    if (ended.status === 0) readPreload(scratch, caches);
    return { tag: codeCacheTag(), caches: sorted(caches) };
  });
}

/** Caches of about ten thousand modules. */
const LARGE_PROGRAM_BYTES = 128 * 1024 * 1024;

async function inScratch<Result>(
  bytes: number,
  use: (scratch: Scratch) => Promise<Result>,
): Promise<Result> {
  const scratch = new Scratch('code-cache', scratchBase(bytes));
  try {
    return await use(scratch);
  } finally {
    scratch.remove();
  }
}

interface Ending {
  status: number | null;
  signal: NodeJS.Signals | null;
  error?: Error;
}

function howEnded({ status, signal, error }: Ending): string {
  return error?.message ?? (signal ? `ended by ${signal}` : `exit code ${String(status)}`);
}

function ending(child: ChildProcess): Promise<Ending> {
  return new Promise((resolve) => {
    child.once('error', (error) => resolve({ status: null, signal: null, error }));
    child.once('exit', (status, signal) => resolve({ status, signal }));
  });
}

/**
 * Takes the caches that Node.js keeps below a directory.
 * @returns whose they are: Node.js names a directory by its version, V8's tag and the user
 */
function readCaches(directory: string, into: Map<string, Buffer>): string | undefined {
  const [made] = existsSync(directory) ? readdirSync(directory) : [];
  if (made === undefined) return undefined;
  for (const name of readdirSync(join(directory, made)))
    into.set(name, readFileSync(join(directory, made, name)));
  return made.slice(0, made.lastIndexOf('-'));
}

function sorted(caches: Map<string, Buffer>): CodeCaches['caches'] {
  const byName = [...caches].sort(([one], [other]) => (one < other ? -1 : 1));
  return byName.map(([name, data]) => ({ name, data }));
}

/** @returns where the caches are */
async function runProgram(entry: string, scratch: string, run: CodeCacheRun): Promise<string[]> {
  if (importsAtOnce) {
    const maker = fileURLToPath(new URL('./code-cache-of-run.cjs', import.meta.url));
    await start(entry, run, ['-r', maker], { _WALLA_CODE_CACHE: scratch });
    if (existsSync(join(scratch, 'complete')))
      return [join(scratch, 'others'), join(scratch, 'program')];
  }
  const usual = join(scratch, 'usual');
  await start(entry, run, [], { NODE_COMPILE_CACHE: usual });
  return [usual];
}

async function start(
  entry: string,
  run: CodeCacheRun,
  preload: readonly string[],
  env: NodeJS.ProcessEnv,
): Promise<void> {
  const flags = [
    ...preload,
    ...ruleFlags(),
    ...userConditions(run.conditions).map((condition) => `--conditions=${condition}`),
    ...(run.preserveSymlinks ? ['--preserve-symlinks'] : []),
  ];
  const child = spawn(process.execPath, [...flags, entry, ...run.args], {
    cwd: run.directory,
    // The report of the pack goes to stdout, the program's output must not mix with it.
    stdio: ['inherit', 2, 2],
    env: { ...process.env, ...env },
  });
  const ended = await ending(child);
  if (ended.status === 0) return;
  const message = `the run of ${entry} for its code cache failed: ${howEnded(ended)}`;
  throw new WallaError('ERR_WALLA_PACK', message, {
    hint: 'give the program the arguments it needs after --, or pack without --code-cache',
  });
}
