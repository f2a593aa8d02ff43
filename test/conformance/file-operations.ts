/** What a staged program asks of the file system, once the image is there: counted with strace. */
import { spawnSync, type SpawnSyncReturns } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { NodeVersion } from '../node-versions/index.ts';
import { cleanEnvironment, preload } from '../run-node.ts';

const LONGEST_RUN_MS = 180_000;

export const hasStrace = spawnSync('strace', ['-V']).status === 0;

/** What came out of a process whose calls were traced. */
export interface TracedRun extends SpawnSyncReturns<string> {
  /** `call path` for each call that names a path below `root`, each once, sorted. */
  calls: string[];
}

/** An archive staged on this machine, and left there for processes that attach to it. */
export class StagedArchive {
  readonly #base = mkdtempSync(join(tmpdir(), 'walla-base-'));
  readonly #node: NodeVersion;
  readonly #env: NodeJS.ProcessEnv;

  constructor(archive: string, node: NodeVersion) {
    this.#node = node;
    const staging = {
      ...cleanEnvironment(),
      WALLA_ARCHIVE: archive,
      WALLA_DIR: this.#base,
      WALLA_KEEP: '1',
    };
    const program = 'process.env.WALLA_ATTACH + "\\n" + process.env.NODE_OPTIONS';
    const options = { env: staging, cwd: '/', encoding: 'utf8' } as const;
    const told = spawnSync(node.path, ['-r', preload, '-p', program], options);
    const [WALLA_ATTACH = '', NODE_OPTIONS = ''] = told.stdout.split('\n');
    if (!WALLA_ATTACH.startsWith('{')) throw new Error(`staging failed: ${told.stderr}`);
    this.#env = { ...cleanEnvironment(), WALLA_ATTACH, NODE_OPTIONS };
  }

  /**
   * Runs a program as a child of a staged program runs.
   * @param args flags of Node.js and the program; `{stage}` among them is where walla is preloaded if not first
   * @param root directory below which calls count
   */
  trace(args: readonly string[], root: string): TracedRun {
    const trace = join(this.#base, 'trace');
    const flags = ['-f', '-qq', '--seccomp-bpf', '-s', '4096', '-e', 'trace=%file', '-o', trace];
    const own = ['-r', preload];
    const at = args.indexOf('{stage}');
    const words = at < 0 ? [...own, ...args] : args.toSpliced(at, 1, ...own);
    const outcome = spawnSync('strace', [...flags, this.#node.path, ...words], {
      // What a parent leaves there would come first.
      env: at < 0 ? this.#env : { ...this.#env, NODE_OPTIONS: '' },
      cwd: '/',
      encoding: 'utf8',
      timeout: LONGEST_RUN_MS,
      maxBuffer: Infinity,
    });
    return { ...outcome, calls: callsBelow(readFileSync(trace, 'utf8'), root) };
  }

  remove(): void {
    rmSync(this.#base, { recursive: true });
  }
}

function callsBelow(trace: string, root: string): string[] {
  const calls = new Set<string>();
  for (const [, call = '', path = ''] of trace.matchAll(/^\d+ +(\w+)\([^"\n]*"([^"\n]*)"/gm))
    if (path.startsWith(root)) calls.add(`${call} ${path.slice(root.length)}`);
  return [...calls].sort();
}
