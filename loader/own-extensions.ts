/**
 * `require.extensions` handlers of the program's own (`.hbs`, `.coffee`): the table was made without
 * them, so a name that led nowhere may lead somewhere now. Mostly it does not, and the listings say so.
 */
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { NativeImage } from '../native/addon.ts';
import { Module } from './node-internals.ts';

/** All that every Node.js has handlers for; where it has more, looking once more is not wrong. */
const NODE_EXTENSIONS = new Set(['.js', '.json', '.node']);

let extensions: Record<string, unknown> | undefined;

/** Tells where the registered CommonJS extensions are; set when the CommonJS side is installed. */
export function setModuleExtensions(registered: Record<string, unknown>): void {
  extensions = registered;
}

/** Every registered extension; those of Node.js where no CommonJS side is installed. */
export function moduleExtensions(): string[] {
  return extensions ? Object.keys(extensions) : [...NODE_EXTENSIONS];
}

export class OwnExtensions {
  readonly #image: NativeImage;
  readonly #isKnownAbsent: (path: string) => boolean;
  /** Whether a directory of packages outside of the archive is there: what is in it, only the file system knows. */
  readonly #outside = new Map<string, boolean>();

  /** @param isKnownAbsent whether the archive knows that there is no such path */
  constructor(image: NativeImage, isKnownAbsent: (path: string) => boolean) {
    this.#image = image;
    this.#isKnownAbsent = isKnownAbsent;
  }

  /**
   * Whether a name that led nowhere could lead somewhere by a handler of the program's own.
   * @param recorded the error as packed: one that a package's "exports" cause comes before any extension
   */
  mayFind(request: string, parentPath: string, recorded: string): boolean {
    const own = moduleExtensions().filter((extension) => !NODE_EXTENSIONS.has(extension));
    if (own.length === 0) return false;
    if (/^[./#]/.test(request)) return true;
    const name = /^(?:@[^/]+\/)?[^/]+/.exec(request)?.[0] ?? request;
    const isRefused = !recorded.includes('"MODULE_NOT_FOUND"');
    for (const directory of this.#packageDirectories(dirname(parentPath))) {
      if (this.#lacks(directory, request, own)) continue;
      return !(isRefused && this.#image.find(join(directory, name), true) >= 0);
    }
    return false;
  }

  /** Where a package can be: each may be inside the archive or not. */
  #packageDirectories(directory: string): string[] {
    const global = Module.globalPaths ?? [];
    const found: string[] = [];
    for (let at = directory; ; at = dirname(at)) {
      if (!at.endsWith('/node_modules')) found.push(join(at, 'node_modules'));
      if (at === dirname(at)) return [...found, ...global];
    }
  }

  #lacks(directory: string, request: string, own: readonly string[]): boolean {
    const root = this.#image.path(0);
    const names = [request, ...own.map((extension) => request + extension)];
    if (directory !== root && !directory.startsWith(root === '/' ? '/' : `${root}/`))
      return (
        !this.#isOutside(directory) || names.every((name) => !existsSync(join(directory, name)))
      );
    return (
      this.#isAbsent(directory) || names.every((name) => this.#isAbsent(join(directory, name)))
    );
  }

  #isOutside(directory: string): boolean {
    let there = this.#outside.get(directory);
    if (there === undefined) {
      there = existsSync(directory);
      this.#outside.set(directory, there);
    }
    return there;
  }

  /** Judged at the first name of the path that is not there. */
  #isAbsent(path: string): boolean {
    for (let at = path; ; at = dirname(at)) {
      const parent = dirname(at);
      if (parent === at) return false;
      if (this.#image.find(parent, true) >= 0) return this.#isKnownAbsent(at);
    }
  }
}
