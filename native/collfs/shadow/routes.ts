/** Whether a call goes to collfs. */

import { isBuiltin } from 'node:module';
import { dirname, resolve } from 'node:path';

import { announced } from '../../../loader/announced.ts';
import { isPathLike } from '../../../loader/lookup.ts';
import type { AnyFunction } from '../../../loader/node-internals.ts';
import { shownPath } from '../../../loader/shadow/answer.ts';
import { top } from '../stack.ts';
import { callSiteOf } from './call-site.ts';
import { packageAsked, Rules } from './rules.ts';

export class Routes {
  readonly #rules: ReadonlySet<Rules>;

  constructor(rules: ReadonlySet<Rules>) {
    this.#rules = rules;
  }

  /**
   * A read through `fs`.
   * @param name of the function, without Sync
   * @param below the function that the program called
   */
  takesRead(name: string, path: unknown, below: AnyFunction): boolean {
    if (!this.#isOn()) return false;
    const text = shownPath(path);
    if (text === undefined || text === '' || text.includes('\0')) return false;
    const absolute = resolve(text);
    return this.#isFor(absolute, below) && announced()?.reads(name, absolute) !== true;
  }

  /** A module or addon that is to be loaded from this file. */
  takesFile(filename: string): boolean {
    return this.#isOn() && this.#covers(filename) && announced()?.loads(filename) !== true;
  }

  /** A name that a module asks for by `require`. */
  takesRequest(request: string, parent: string | undefined): boolean {
    if (!this.#isOn() || isBuiltin(request)) return false;
    const isByPath = isPathLike(request);
    const target = isByPath ? resolve(parent ? dirname(parent) : '.', request) : undefined;
    const isFor =
      (parent !== undefined && this.#covers(parent)) ||
      (target !== undefined && this.#covers(target)) ||
      (!isByPath && this.#some((rules) => rules.hasPackage(packageAsked(request))));
    if (!isFor) return false;
    return parent === undefined || announced()?.requires(request, parent) !== true;
  }

  #isOn(): boolean {
    return this.#rules.size > 0 && top() !== undefined;
  }

  #some(is: (rules: Rules) => boolean): boolean {
    return [...this.#rules].some(is);
  }

  #covers(file: string): boolean {
    return this.#some((rules) => rules.coversPath(file) || rules.ownsFile(file));
  }

  #isFor(path: string, below: AnyFunction): boolean {
    if (this.#some((rules) => rules.coversPath(path))) return true;
    if (Rules.isOwn(path) || !this.#some((rules) => rules.hasPackages)) return false;
    const { isLoader, file } = callSiteOf(below);
    const caller = isLoader ? path : file;
    return caller !== undefined && this.#some((rules) => rules.ownsFile(caller));
  }
}
