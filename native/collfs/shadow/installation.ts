/** Functions that stand in for others for a while. */

import { Module } from '../../../loader/node-internals.ts';
import type { Rules } from './rules.ts';

type Table = Record<string, unknown>;

export class Installation {
  /** The shadows in force; none once it is undone, wherever somebody still holds one of its functions. */
  readonly rules = new Set<Rules>();
  readonly #undo: (() => void)[] = [];

  /** @param replace puts something else in place of `target[name]` */
  replace(target: object, name: string, replace: () => void): void {
    const table = target as Table;
    const before = table[name];
    replace();
    const after = table[name];
    this.#undo.push(() => {
      // What others have put on top stays, and ours below it does nothing.
      if (table[name] === after) table[name] = before;
    });
  }

  /** Makes what has been replaced visible to `import { name } from 'node:fs'`. */
  publish(): void {
    Module.syncBuiltinESMExports();
  }

  undo(): void {
    for (const undo of this.#undo.reverse()) undo();
    this.publish();
  }
}
