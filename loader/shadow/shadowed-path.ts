/**
 * Which paths the shadow answers for: those the archive knows, until the program writes to them.
 */
import { resolve as resolvePath } from 'node:path';
import type { NativeImage } from '../../native/addon.ts';
import { pathOf } from '../lookup.ts';

/** What the archive says of a path. */
export type Answer = { entry: number } | { absent: 'ENOENT' | 'ENOTDIR' } | undefined;

const ABSENT = -2;
const NOT_A_DIRECTORY = -3;

export class ShadowedPaths {
  readonly image: NativeImage;
  readonly #roots: readonly string[];
  /** Paths the program has written to, with everything below them. */
  readonly #written = new Set<string>();

  constructor(image: NativeImage, roots: readonly string[]) {
    this.image = image;
    this.#roots = roots;
  }

  /** The absolute path an `fs` function was given, if it can be one of ours; never throws. */
  absolute(path: unknown): string | undefined {
    let text: string | undefined;
    if (typeof path === 'string') text = path;
    else if (path instanceof URL) text = pathOf(path.href);
    else if (Buffer.isBuffer(path)) text = path.toString();
    if (text === undefined || text === '' || text.includes('\0')) return undefined;
    if (!text.startsWith('/') || /\/\.{0,2}(\/|$)/.test(text)) text = resolvePath(text);
    return this.#roots.some((root) => text.startsWith(root)) ? text : undefined;
  }

  /** @param follow whether a link in the last component is followed */
  ask(path: unknown, follow: boolean): Answer {
    const absolute = this.absolute(path);
    if (absolute === undefined || this.isWritten(absolute)) return undefined;
    // A final slash asks for a directory, at the end of a link too.
    const isDirectory = endsWithSlash(path);
    const entry = this.image.find(absolute, follow || isDirectory);
    if (entry >= 0) return isDirectory && !this.image.listing(entry) ? undefined : { entry };
    if (entry === ABSENT) return { absent: 'ENOENT' };
    return entry === NOT_A_DIRECTORY ? { absent: 'ENOTDIR' } : undefined;
  }

  /** From now on this path, what is below it and the listing of its directory are the real ones. */
  write(path: unknown): void {
    let absolute = this.absolute(path);
    while (absolute !== undefined) {
      const parent = absolute.slice(0, absolute.lastIndexOf('/'));
      this.#written.add(absolute);
      this.#written.add(parent + '/');
      // A directory that is made on the way (`mkdir` with `recursive`) is new as well.
      absolute = this.image.find(parent, true) === ABSENT ? parent : undefined;
    }
  }

  /** Whether the program has written anything that the archive could know. */
  get hasWrites(): boolean {
    return this.#written.size > 0;
  }

  /** Whether the directory's own listing can have changed by a write of this program. */
  isListingWritten(path: unknown): boolean {
    const absolute = this.absolute(path);
    return absolute !== undefined && this.#written.has(absolute + '/');
  }

  /** @param path absolute and normalized */
  isWritten(path: string): boolean {
    if (this.#written.size === 0) return false;
    for (let end = path.length; end > 0; end = path.lastIndexOf('/', end - 1))
      if (this.#written.has(path.slice(0, end))) return true;
    return false;
  }
}

function endsWithSlash(path: unknown): boolean {
  if (typeof path === 'string') return path.endsWith('/');
  return path instanceof URL ? path.pathname.endsWith('/') : String(path).endsWith('/');
}
