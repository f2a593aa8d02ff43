/**
 * Child processes and workers share the stage: they find it in the environment, and never touch MPI.
 * Those that the program gives an environment of its own are told in the same way, and take it out again
 * before the program's code runs.
 */
import type { LateBuiltins } from '../loader/late-builtins.ts';
import { hasSyncHooks } from '../loader/node-features.ts';
import { type AnyFunction, patch } from '../loader/node-internals.ts';
import { noteOtherThread } from '../loader/shadow/shared-writes.ts';
import { copiedPackage, packageDirectory } from '../native/addon-path.ts';
import type { Attachment } from './attachment.ts';
import { guardedPreload } from './guarded-preload.ts';

const VARIABLE = 'WALLA_ATTACH';

type Environment = Record<string, string | undefined>;

/** An attachment that the program is not to see in its environment. */
interface HiddenAttachment extends Attachment {
  hidden?: {
    /** NODE_OPTIONS as the program gave it, if it did. */
    nodeOptions?: string;
    shadow: boolean;
  };
}

export interface Inherited {
  attachment: Attachment;
  /** Whether the parent's reads are shadowed. */
  shadow: boolean;
}

/** What a parent left for this process; undefined when there is none, or it is not readable. */
export function inheritedAttachment(env: Environment): Inherited | undefined {
  const text = env[VARIABLE];
  if (!text) return undefined;
  try {
    const { hidden, ...attachment } = JSON.parse(text) as HiddenAttachment;
    if (hidden) {
      Reflect.deleteProperty(env, VARIABLE);
      if (hidden.nodeOptions === undefined) Reflect.deleteProperty(env, 'NODE_OPTIONS');
      else env['NODE_OPTIONS'] = hidden.nodeOptions;
    }
    return { attachment, shadow: hidden?.shadow ?? true };
  } catch {
    return undefined;
  }
}

/**
 * Leaves the attachment for children. `fork`, `cluster` and `Worker` pass the --import or -r flag on by themselves;
 * NODE_OPTIONS reaches what does not: `spawn(process.execPath)` and workers with `execArgv: []`.
 */
export function shareWithChildren(attachment: Attachment, env: Environment): void {
  env[VARIABLE] = JSON.stringify(attachment);
  addPreload(env);
}

function addPreload(env: Environment): void {
  const flag = preloadFlag();
  const present = env['NODE_OPTIONS'];
  if (present?.includes(flag)) return;
  env['NODE_OPTIONS'] = present ? `${flag} ${present}` : flag;
}

function preloadFlag(): string {
  const whole = copiedPackage();
  // A child may start when the copy is gone.
  if (whole !== undefined) return `--import=${guardedPreload([packageDirectory()], whole)}`;
  const preload = `${packageDirectory()}/dist/stage.cjs`;
  const quoted = /[\s"\\]/.test(preload) ? `"${preload.replace(/["\\]/g, '\\$&')}"` : preload;
  return `--require=${quoted}`;
}

/** Has workers and children that are given an environment of their own find the stage too. */
export function keepChildrenStaged(
  attachment: Attachment,
  shadow: boolean,
  late: LateBuiltins,
): void {
  /** The environment with what a child needs; undefined if it has that, or is not to have it. */
  const completed = (env: Environment): Environment | undefined => {
    if (env[VARIABLE] !== undefined || env['WALLA'] === 'off') return undefined;
    const nodeOptions = env['NODE_OPTIONS'];
    const hidden = { shadow, ...(nodeOptions === undefined ? {} : { nodeOptions }) };
    const complete: Environment = { ...env };
    shareWithChildren({ ...attachment, hidden } as HiddenAttachment, complete);
    return complete;
  };
  late.when('worker_threads', (threads) => {
    patchWorker(threads as { Worker: Class }, completed);
  });
  // On Node.js 20 nobody tells when it is asked for, and it takes milliseconds to load.
  if (hasSyncHooks)
    late.when('child_process', (processes) => {
      patchChildProcess(processes as unknown as ChildProcessModule, completed);
    });
}

interface Class {
  new (...args: unknown[]): object;
  prototype: { constructor: unknown };
}

type Complete = (env: Environment) => Environment | undefined;

function patchWorker(threads: { Worker: Class }, completed: Complete): void {
  const { Worker } = threads;
  const Patched: Class = new Proxy(Worker, {
    construct(target, args: unknown[], newTarget) {
      noteOtherThread();
      const options = args[1] as { env?: unknown } | null | undefined;
      const { env } = options ?? {};
      // Anything else is refused, or shared with this thread as it is.
      const given = env === undefined ? process.env : env;
      if (typeof given === 'object' && given !== null && typeof (options ?? {}) === 'object') {
        const complete = completed(given as Environment);
        if (complete) args = [args[0], { ...options, env: complete }, ...args.slice(2)];
      }
      return Reflect.construct(target, args, newTarget === Patched ? target : newTarget) as object;
    },
  });
  Worker.prototype.constructor = Patched;
  threads.Worker = Patched;
}

interface SpawnOptions {
  file?: unknown;
  envPairs?: string[];
}

interface ChildProcessModule {
  ChildProcess: { prototype: { spawn: (options: SpawnOptions) => unknown } };
  spawnSync: AnyFunction;
  execFileSync: AnyFunction;
}

function patchChildProcess(processes: ChildProcessModule, completed: Complete): void {
  // All asynchronous forms end here: lib/internal/child_process.js.
  patch(
    processes.ChildProcess.prototype,
    'spawn',
    (original) =>
      function (...args) {
        const options = args[0] as SpawnOptions | undefined;
        if (options?.file === process.execPath && Array.isArray(options.envPairs)) {
          const complete = completed(environmentOf(options.envPairs));
          if (complete)
            args[0] = {
              ...options,
              envPairs: Object.entries(complete).map(([name, value]) => `${name}=${value ?? ''}`),
            };
        }
        return original.apply(this, args as never);
      },
  );
  for (const name of ['spawnSync', 'execFileSync'] as const)
    patch(
      processes,
      name,
      (original) =>
        function (...args) {
          if (args[0] === process.execPath) {
            const hasArgs = Array.isArray(args[1]);
            const position = hasArgs || args[1] === undefined || args[1] === null ? 2 : 1;
            const options = args[position] ?? {};
            if (typeof options === 'object') {
              const { env } = options as { env?: Environment | null };
              const complete = completed(env ?? process.env);
              if (complete) args[position] = { ...options, env: complete };
            }
          }
          return original.apply(this, args as never);
        },
    );
}

function environmentOf(pairs: readonly string[]): Environment {
  const env: Environment = {};
  for (const pair of pairs) {
    const equals = pair.indexOf('=', 1);
    if (equals > 0) env[pair.slice(0, equals)] = pair.slice(equals + 1);
  }
  return env;
}
