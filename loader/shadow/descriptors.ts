/**
 * A descriptor of a packed file is that of its copy on this node. Reading from it needs nothing more;
 * what changes the file through it has to reach the original too.
 */
import fs from 'node:fs';
import type { AnyFunction } from '../node-internals.ts';
import { patch } from '../node-internals.ts';
import { patchIfThere, type Table } from './forms.ts';
import type { LocalFiles } from './local-files.ts';
import type { ShadowedPaths } from './shadowed-path.ts';

/** Operations on a descriptor, and what does the same to a path. */
const CHANGES: Record<string, 'chmodSync' | 'chownSync' | 'utimesSync'> = {
  fchmod: 'chmodSync',
  fchown: 'chownSync',
  futimes: 'utimesSync',
};
const HANDLE_CHANGES: typeof CHANGES = {
  chmod: 'chmodSync',
  chown: 'chownSync',
  utimes: 'utimesSync',
};

type Change = (
  fd: unknown,
  values: unknown[],
  name: 'chmodSync' | 'chownSync' | 'utimesSync',
) => void;

export class ShadowedDescriptors {
  readonly #change: Change;
  #hasOpened = false;
  #hasPatchedHandle = false;

  constructor(paths: ShadowedPaths, local: LocalFiles) {
    const { readlinkSync } = fs;
    this.#change = (fd, values, name) => {
      if (!this.#hasOpened || typeof fd !== 'number') return;
      let original: string | undefined;
      try {
        original = local.original(readlinkSync(`/proc/self/fd/${fd}`));
      } catch {
        return; // not open, or no /proc: the real function says what is wrong
      }
      if (original === undefined) return;
      paths.write(original);
      (fs[name] as AnyFunction)(...([original, ...values] as never[]));
    };
    for (const [name, change] of Object.entries(CHANGES))
      for (const form of [name, `${name}Sync`])
        patchIfThere(fs, form, (original) => this.#before(original, change, (args) => args));
  }

  /** To be told that a copy is about to be opened. */
  opened(): void {
    this.#hasOpened = true;
  }

  /** @param handle the first FileHandle that is opened: only it leads to their class */
  patchHandle(handle: object): void {
    if (this.#hasPatchedHandle) return;
    this.#hasPatchedHandle = true;
    const prototype = Object.getPrototypeOf(handle) as Table;
    for (const [name, change] of Object.entries(HANDLE_CHANGES))
      patch(prototype, name, (original) => {
        const before = this.#change;
        return async function (...args) {
          before((this as fs.promises.FileHandle).fd, args, change);
          return await original.apply(this, args as never);
        };
      });
  }

  #before(
    original: AnyFunction,
    change: 'chmodSync' | 'chownSync' | 'utimesSync',
    argsOf: (args: unknown[]) => unknown[],
  ): (this: unknown, ...args: unknown[]) => unknown {
    const before = this.#change;
    return function (...args) {
      const [fd, ...values] = argsOf(args);
      before(
        fd,
        values.filter((value) => typeof value !== 'function'),
        change,
      );
      return original.apply(this, args as never);
    };
  }
}
