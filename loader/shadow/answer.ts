/** What a read is answered with. */

import type { AnyFunction } from '../node-internals.ts';

/** The shadow does not know: the real function runs, with the arguments as they are. */
export const MISS = Symbol('miss');

/** Names on any Linux that do not exist, to have the real function say so. */
export const NOWHERE = { ENOENT: '/dev/walla/absent', ENOTDIR: '/dev/null/absent' } as const;

/**
 * The real function runs on a path of this node in place of the one it was given: a copy with the same
 * bytes, or something of the same kind that fails in the same way. It alone knows how this version of
 * Node.js words an error or treats an option.
 */
export class Instead {
  readonly path: string;
  readonly #shown: string | undefined;

  /** @param given the program's path, which errors show */
  constructor(path: string, given: unknown) {
    this.path = path;
    this.#shown = shownPath(given);
  }

  /** An error of the real function, with the path that the program gave. */
  renamed(error: unknown): unknown {
    if (!(error instanceof Error) || this.#shown === undefined) return error;
    const { path, info } = error as NodeJS.ErrnoException & { info?: Record<string, unknown> };
    const { stack } = error;
    error.message = error.message.replaceAll(this.path, this.#shown);
    if (stack !== undefined) error.stack = stack.replaceAll(this.path, this.#shown);
    if (!info) {
      if (path?.startsWith(this.path))
        (error as NodeJS.ErrnoException).path = this.#shown + path.slice(this.path.length);
      return error;
    }
    // The other properties of such an error are views of this one.
    for (const key of ['message', 'path', 'dest']) {
      const text = info[key];
      if (typeof text === 'string') info[key] = text.replaceAll(this.path, this.#shown);
    }
    return error;
  }
}

/** The form of a function: what differs between them is left to the real one, or asked for here. */
export type Form = 'sync' | 'callback' | 'promise' | 'native';

/**
 * @param below the function that the program called: stack traces start under it
 * @returns a value, MISS or Instead; or throws what the function throws
 */
export type Read = (path: unknown, options: unknown, form: Form, below: AnyFunction) => unknown;

/** A path as `fs` shows it in an error. */
export function shownPath(path: unknown): string | undefined {
  if (typeof path === 'string') return path;
  if (path instanceof URL) return decodeURIComponent(path.pathname);
  return path instanceof Uint8Array ? Buffer.from(path).toString() : undefined;
}
