/** Which reads a shadow is for. */

import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

import { checkNames, wrongOption } from '../stack.ts';

export interface ShadowOptions {
  /** Files and directories, with all below them: whoever reads them. */
  paths?: readonly (string | URL)[];
  /** Names of packages, or directories that are packages: their own files, and whatever their code reads. */
  packages?: readonly string[];
}

/** What the node or the process has of its own: a package that reads there means its own node. */
const OWN = ['/proc', '/sys', '/dev', '/run'];

const NAME = /^(?:@[\w.~-]+\/)?[\w.~-]+$/;

function isBelow(path: string, directory: string): boolean {
  return path === directory || path.startsWith(directory === '/' ? '/' : `${directory}/`);
}

function listOf(options: ShadowOptions, name: keyof ShadowOptions): readonly (string | URL)[] {
  const list = options[name] ?? [];
  if (Array.isArray(list) && list.every((each) => typeof each === 'string' || each instanceof URL))
    return list;
  throw wrongOption(`${name} must be an array of strings`);
}

/** The package that a file is in, by its path: the part after the last node_modules. */
export function packageOf(file: string): string | undefined {
  return /.*\/node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(file)?.[1];
}

/** The package that a bare specifier asks for. */
export function packageAsked(specifier: string): string | undefined {
  return /^(?:@[^/]+\/)?[^./@][^/]*/.exec(specifier)?.[0];
}

export class Rules {
  readonly #paths: string[];
  readonly #names: Set<string>;
  readonly #directories: string[];

  /** @throws WallaError ERR_WALLA_OPTION */
  constructor(options: ShadowOptions) {
    checkNames(options, ['paths', 'packages']);
    this.#paths = listOf(options, 'paths').map((path) =>
      path instanceof URL ? fileURLToPath(path) : resolve(path),
    );
    const packages = listOf(options, 'packages').map(String);
    this.#names = new Set(packages.filter((name) => !name.startsWith('/')));
    this.#directories = packages
      .filter((name) => name.startsWith('/'))
      .map((name) => resolve(name));
    for (const name of this.#names) {
      if (!NAME.test(name))
        throw wrongOption(`packages: "${name}" is neither a package nor a path`);
    }
    if (this.#paths.length + packages.length === 0)
      throw wrongOption('shadow needs paths or packages');
  }

  /** Whether a path is shadowed for everybody. */
  coversPath(path: string): boolean {
    return this.#paths.some((directory) => isBelow(path, directory));
  }

  get hasPackages(): boolean {
    return this.#names.size + this.#directories.length > 0;
  }

  hasPackage(name: string | undefined): boolean {
    return name !== undefined && this.#names.has(name);
  }

  /** Whether a file is one of a chosen package. */
  ownsFile(file: string): boolean {
    return (
      this.hasPackage(packageOf(file)) ||
      this.#directories.some((directory) => isBelow(file, directory))
    );
  }

  /** Whether reads of this path by a package's code are its own node's. */
  static isOwn(path: string): boolean {
    return OWN.some((directory) => isBelow(path, directory));
  }
}
