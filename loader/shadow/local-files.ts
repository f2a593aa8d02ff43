/**
 * Packed files as real files on this node, with the mode and modification time of the original, for
 * what works on descriptors or hands a path to code that is not JavaScript.
 */
import fs from 'node:fs';
import { dirname } from 'node:path';
import type { NativeImage } from '../../native/addon.ts';
import { kindOf, S_IFDIR, S_IFREG, type ShadowedPaths } from './shadowed-path.ts';

export class LocalFiles {
  readonly #image: NativeImage;
  readonly #localPath: (entry: number) => string;
  readonly #files: string;
  readonly #ready = new Map<number, string>();
  // The functions of the real file system, whatever is patched later.
  readonly #real = {
    chmodSync: fs.chmodSync,
    mkdirSync: fs.mkdirSync,
    symlinkSync: fs.symlinkSync,
    utimesSync: fs.utimesSync,
  };

  /**
   * @param files directory of this node that stands for the archive's root
   * @param localPath writes a packed file there, unless it is there
   */
  constructor(image: NativeImage, files: string, localPath: (entry: number) => string) {
    this.#image = image;
    this.#files = files;
    this.#localPath = localPath;
  }

  /** @returns absolute path of the copy on this node, made if need be */
  file(entry: number): string {
    const known = this.#ready.get(entry);
    if (known !== undefined) return known;
    const path = this.#localPath(entry);
    this.#dress(path, entry, 0);
    this.#ready.set(entry, path);
    return path;
  }

  /** The program's path for a path of a copy; undefined if it is none. */
  original(path: string): string | undefined {
    if (!path.startsWith(this.#files + '/')) return undefined;
    const root = this.#image.path(0);
    return (root === '/' ? '' : root) + path.slice(this.#files.length);
  }

  /** Where an entry's copy would stand. */
  place(entry: number): string {
    const root = this.#image.path(0);
    const path = this.#image.path(entry);
    return this.#files + (root === '/' ? path : path.slice(root.length));
  }

  /**
   * Makes copies of a file, a link, or a directory with all that is below it.
   * @returns whether the whole is on this node now, and the links in it; undefined if the archive does
   *   not have all of it
   */
  tree(paths: ShadowedPaths, entry: number, links: string[]): boolean {
    const kind = kindOf(this.#image, entry);
    if (kind === S_IFREG) {
      this.file(entry);
      return true;
    }
    const place = this.place(entry);
    if (kind !== S_IFDIR) {
      this.#link(this.#image.linkText(entry), place);
      links.push(place);
      return true;
    }
    const listing = paths.isFrozen(entry) ? this.#image.listing(entry) : undefined;
    if (!listing || paths.isChangedBelow(entry)) return false;
    this.#real.mkdirSync(place, { recursive: true, mode: 0o700 });
    const path = this.#image.path(entry);
    const isWhole = listing.names.every((name) => {
      const child = this.#image.find(`${path}/${name}`, false);
      return child >= 0 && this.tree(paths, child, links);
    });
    // Everybody above is private: the mode opens the directory to nobody.
    if (isWhole) this.#dress(place, entry, 0o700);
    return isWhole;
  }

  /** Gives a copy the mode and modification time of the original. */
  #dress(path: string, entry: number, added: number): void {
    const stat = new Float64Array(4);
    this.#image.stat(entry, stat);
    const [mode = 0, , seconds = 0, nanoseconds = 0] = stat;
    const time = seconds + nanoseconds / 1e9;
    this.#real.chmodSync(path, (mode & 0o777) | added);
    this.#real.utimesSync(path, time, time);
  }

  #link(text: string, place: string): void {
    this.#real.mkdirSync(dirname(place), { recursive: true, mode: 0o700 });
    try {
      this.#real.symlinkSync(text, place);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    }
  }
}
