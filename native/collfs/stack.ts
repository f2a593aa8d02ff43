/** The stack of communicators: who acts together. Each thread has its own, empty in workers. */

import { WallaError } from '../../stage/errors.ts';
import { Communicator } from '../communicator.ts';
import { world } from '../mpi.ts';
import { nearMiss } from '../near-miss.ts';
import { openMpi } from '../world.ts';
import { type CollfsAddon, loadCollfs } from './addon.ts';
import { CollfsError, translated } from './errors.ts';

export interface PushOptions {
  /** Rank of the communicator that asks the file system; the same on all ranks. Default 0. */
  root?: number;
  /** Whether to remember answers, as `setCache` says; the same on all ranks. Default false. */
  cache?: boolean;
}

export interface Settings {
  /** Whether calls of all ranks are compared; the same on all ranks. Default true. */
  checked?: boolean;
  /** How long to wait for other ranks to make a call, in milliseconds; 0, the default: for ever. */
  timeoutMs?: number;
}

/** One communicator of the stack. */
export interface Level {
  readonly comm: Communicator;
  root: number;
  /** Undefined where there is no MPI: then the one rank asks `fs`. */
  readonly addon: CollfsAddon | undefined;
}

const levels: Level[] = [];
const settings: Required<Settings> = { checked: true, timeoutMs: 0 };
let loaded: CollfsAddon | undefined;
let hidden = 0;

export function wrongOption(message: string): WallaError {
  return new WallaError('ERR_WALLA_OPTION', message, {
    hint: 'docs/collfs.md lists what each call takes',
  });
}

/** @throws WallaError ERR_WALLA_OPTION for a name that is no option */
export function checkNames(options: object, known: readonly string[]): void {
  for (const name of Object.keys(options)) {
    if (!known.includes(name))
      throw wrongOption(`unknown option "${name}"${nearMiss(name, known)}`);
  }
}

function load(): CollfsAddon {
  if (loaded) return loaded;
  const { mpi } = openMpi().launcher;
  if (mpi === undefined) throw new WallaError('ERR_WALLA_MPI', 'there is no MPI in this process');
  loaded = loadCollfs(mpi);
  apply(loaded);
  return loaded;
}

/** libcollfs, if a communicator of MPI has been pushed. */
export function loadedAddon(): CollfsAddon | undefined {
  return loaded;
}

function apply(addon: CollfsAddon): void {
  addon.setChecked(settings.checked);
  addon.setTimeout(settings.timeoutMs);
}

function checkRoot(comm: Communicator, root: number): void {
  if (Number.isInteger(root) && root >= 0 && root < comm.size) return;
  throw wrongOption(`root must be an integer from 0 to ${comm.size - 1}, not ${String(root)}`);
}

/**
 * Makes file operations collective on a communicator until the matching `pop`; collective over it. From
 * then on its ranks make the same calls in the same order, with the same paths. The communicator may
 * be freed meanwhile.
 * @param comm a communicator of `walla/mpi`, split ones too. Default: all ranks of the job
 * @throws WallaError ERR_WALLA_OPTION for a wrong argument, and what `world` throws where MPI cannot be
 *   used, workers included; CollfsError ERR_COLLFS_STATE if ranks name different roots,
 *   ERR_COLLFS_TIMEOUT
 */
export function push(comm: Communicator = world, options: PushOptions = {}): void {
  const native = Communicator.nativeOf(comm);
  if (native === undefined) {
    throw new WallaError('ERR_WALLA_OPTION', 'push takes a communicator of walla/mpi', {
      hint: "import { world } from 'walla/mpi'",
    });
  }
  checkNames(options, ['root', 'cache']);
  const { root = 0, cache = false } = options;
  checkRoot(comm, root);
  const { handle } = native;
  const addon = handle === undefined ? undefined : load();
  if (addon && handle !== undefined) {
    translated('push', undefined, () => {
      addon.push(handle, root);
    });
  }
  levels.push({ comm, root, addon });
  if (cache) setCache(true);
}

/**
 * Undoes the last `push`; collective on its communicator.
 * @returns that communicator
 * @throws WallaError ERR_WALLA_OPTION if the stack is empty; CollfsError ERR_COLLFS_DIVERGED if other
 *   ranks make other calls: then it stays
 */
export function pop(): Communicator {
  const level = levels.at(-1);
  if (!level)
    throw new WallaError('ERR_WALLA_OPTION', 'pop without a push', { hint: 'push first' });
  try {
    translated('pop', undefined, () => level.addon?.pop());
  } catch (error) {
    // Where MPI has ended there is nobody to agree with.
    if (!(error instanceof CollfsError && error.code === 'ERR_COLLFS_MPI')) throw error;
  }
  levels.pop();
  return level.comm;
}

/** How many communicators are pushed; local. */
export function depth(): number {
  return levels.length;
}

/** The level that an operation made now is for; undefined: this rank acts for itself. */
export function top(): Level | undefined {
  return hidden > 0 ? undefined : levels.at(-1);
}

/**
 * Runs synchronous work in which nothing is collective, whatever is pushed: what one rank alone does. Local.
 * @returns what `work` returns
 */
export function independently<T>(work: () => T): T {
  hidden++;
  try {
    return work();
  } finally {
    hidden--;
  }
}

function required(): Level {
  const level = levels.at(-1);
  if (level) return level;
  throw new WallaError('ERR_WALLA_OPTION', 'no communicator is pushed', { hint: 'push first' });
}

/**
 * Makes another rank of the communicator on top ask the file system; collective on it.
 * @throws WallaError ERR_WALLA_OPTION for an empty stack or what is no rank of it; CollfsError
 *   ERR_COLLFS_DIVERGED if ranks name different ones: then the old root stays
 */
export function setRoot(root: number): void {
  const level = required();
  checkRoot(level.comm, root);
  translated('set_root', undefined, () => level.addon?.setRoot(root));
  level.root = root;
}

/**
 * Whether every rank remembers what names are, and which do not exist, and answers without
 * communication. For trees that do not change meanwhile. Ends with the pop; turning it off forgets.
 * Local, at the same point of the program on all ranks.
 * @throws WallaError ERR_WALLA_OPTION if the stack is empty
 */
export function setCache(on: boolean): void {
  const { addon } = required();
  translated('set_cache', undefined, () => addon?.setCache(on));
}

/** Forgets what is remembered so far. Local, at the same point of the program on all ranks. */
export function dropCache(): void {
  const { addon } = required();
  translated('cache_drop', undefined, () => addon?.dropCache());
}

/**
 * Changes settings for all communicators. Local, at the same point of the program on all ranks.
 * @throws WallaError ERR_WALLA_OPTION for a wrong value
 */
export function configure(changes: Settings): void {
  checkNames(changes, ['checked', 'timeoutMs']);
  const { checked = settings.checked, timeoutMs = settings.timeoutMs } = changes;
  if (typeof checked !== 'boolean') throw wrongOption('checked must be true or false');
  if (!(Number.isFinite(timeoutMs) && timeoutMs >= 0))
    throw wrongOption(`timeoutMs must be a number from 0, not ${String(timeoutMs)}`);
  settings.checked = checked;
  settings.timeoutMs = timeoutMs;
  if (loaded) apply(loaded);
}
