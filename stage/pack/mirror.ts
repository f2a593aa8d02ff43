/**
 * A tree as it would be with its packages installed, in a temporary directory that has the same paths below it: the
 * packages whole, and of the program's own files the names alone, which is what resolution asks for. Their content
 * is read where they are.
 */
import {
  closeSync,
  copyFileSync,
  lstatSync,
  lutimesSync,
  mkdirSync,
  openSync,
  readdirSync,
  readlinkSync,
  symlinkSync,
  type BigIntStats,
} from 'node:fs';
import { dirname, isAbsolute, join, relative, resolve } from 'node:path';
import type { ListingRecord } from '../format/index-writer.ts';
import { Scratch } from './scratch.ts';
import { list, SourceTree } from './source-tree.ts';

/** The time that npm gives to files in tarballs: one lock file makes one archive, whenever. */
const PACKAGE_TIME_S = Date.UTC(1985, 9, 26, 8, 15) / 1000;
/** Directories have another size on each file system. */
const DIRECTORY_BYTES = 4096n;
/** `d_type` of dirent.h. */
const DIRECTORY_TYPE = 4;
/** No part of any program: their names alone are kept. */
const EMPTY = new Set(['.git', '.hg', '.svn', '.walla']);

/** How packages lie in a tree. */
export interface Layout {
  /** Name of a directory that packages are in, with all that is below. */
  isPackages(name: string): boolean;
  /** Whether such directories count outside the program's own tree too. */
  everywhere: boolean;
  /** Files of the program's own that resolution reads. */
  copied: ReadonlySet<string>;
}

export class Mirror {
  readonly #layout: Layout;
  readonly #scratch = new Scratch('mirror');
  /** Stands for `/`. */
  readonly root = join(this.#scratch.directory, 'root');
  /** Directories of the program's own, absolute, as they really are. */
  readonly #own: string[] = [];

  constructor(layout: Layout) {
    this.#layout = layout;
  }

  remove(): void {
    this.#scratch.remove();
  }

  /** Where a path of the tree is in the mirror. */
  inside(path: string): string {
    return path === '/' ? this.root : this.root + path;
  }

  /** The path of the tree that a place in the mirror stands for. */
  outside(path: string): string {
    return path === this.root ? '/' : path.slice(this.root.length);
  }

  /** Whether a place in the mirror is a package's, or a directory that packages are in. */
  isPackage(path: string): boolean {
    const real = this.outside(path);
    const from = this.#layout.everywhere ? '/' : this.#own.find((own) => isBelow(real, own));
    if (from === undefined) return false;
    return relative(from, real)
      .split('/')
      .some((name) => this.#layout.isPackages(name));
  }

  /** Whether the mirror has all names of the directory at a place. */
  isMirrored(path: string): boolean {
    const real = this.outside(path);
    return this.#own.some((own) => real === own || isBelow(real, own));
  }

  /** Takes the names of a directory of the program's own, without what is installed in it. */
  takeOwn(directory: string): void {
    this.#own.push(directory);
    this.#takeNames(directory);
  }

  #takeNames(directory: string): void {
    mkdirSync(this.inside(directory), { recursive: true });
    for (const child of readdirSync(directory, { withFileTypes: true })) {
      const path = join(directory, child.name);
      if (this.#layout.isPackages(child.name)) continue;
      if (child.isDirectory()) {
        if (EMPTY.has(child.name)) mkdirSync(this.inside(path), { recursive: true });
        else this.#takeNames(path);
      } else if (child.isSymbolicLink()) {
        const text = readlinkSync(path);
        symlinkSync(isAbsolute(text) ? this.inside(text) : text, this.inside(path));
      } else if (this.#layout.copied.has(child.name)) copyFileSync(path, this.inside(path));
      else closeSync(openSync(this.inside(path), 'w'));
    }
  }

  /** Gives everything installed the same time. To be called when all of it is there. */
  settleTimes(): void {
    this.#settle(this.root, false);
  }

  #settle(path: string, installed: boolean): void {
    for (const child of readdirSync(path, { withFileTypes: true })) {
      const at = join(path, child.name);
      const isInstalled = installed || (this.#layout.isPackages(child.name) && this.isPackage(at));
      if (child.isDirectory()) this.#settle(at, isInstalled);
      if (isInstalled) lutimesSync(at, PACKAGE_TIME_S, PACKAGE_TIME_S);
    }
  }
}

function isBelow(path: string, directory: string): boolean {
  return path.startsWith(directory === '/' ? '/' : `${directory}/`);
}

/** The packer's view of a mirror: times and contents of the program's own files are those of the tree. */
export class MirroredTree extends SourceTree {
  readonly #mirror: Mirror;

  constructor(mirror: Mirror, preserveSymlinks: boolean) {
    super(preserveSymlinks);
    this.#mirror = mirror;
  }

  override source(path: string): string {
    const { root } = this.#mirror;
    if (path !== root && !isBelow(path, root)) return path;
    return this.#mirror.isPackage(path) ? path : this.#mirror.outside(path);
  }

  override names(path: string, withOwn: boolean): ListingRecord[] | undefined {
    if (this.source(path) === path || this.#mirror.isMirrored(path)) return list(path, withOwn);
    const isDirectory = (name: string) =>
      lstatSync(join(path, name), { throwIfNoEntry: false })?.isDirectory() === true;
    return list(this.#mirror.outside(path), withOwn)?.map(({ name, type }) => ({
      name,
      type: isDirectory(name) ? DIRECTORY_TYPE : type,
    }));
  }

  protected override look(path: string): BigIntStats | undefined {
    // What is not in the mirror is not there, whatever the tree has.
    if (lstatSync(path, { throwIfNoEntry: false }) === undefined) return undefined;
    const found = super.look(this.source(path));
    if (!found?.isDirectory() || !this.#mirror.isPackage(path)) return found;
    return Object.assign(
      Object.create(Object.getPrototypeOf(found) as object) as BigIntStats,
      found,
      {
        size: DIRECTORY_BYTES,
      },
    );
  }

  protected override linkText(path: string): string {
    return readlinkSync(this.source(path));
  }

  protected override linkTarget(path: string, text: string): string {
    return isAbsolute(text) ? this.#mirror.inside(text) : resolve(dirname(path), text);
  }
}
