import {
  FLAG_ASCII,
  FLAG_COMPLETE,
  FLAG_ELF,
  FLAG_FROZEN,
  FLAG_UTF8,
  KIND_IMPORT,
  KIND_REQUIRE,
  hashBytes,
} from '../format/index-layout.ts';
import { compareBytes, resolutionHash } from '../format/index-writer.ts';
import type { IndexReader, ReadEntry, ReadResolution } from '../format/index-reader.ts';
import type { Manifest } from '../format/manifest.ts';
import { formatName } from '../format-name.ts';
import { damaged } from './archive-reader.ts';
import { isSafePath } from './entry-path.ts';
import { fingerprint } from './fingerprint.ts';

const DIRECTORY_TYPES = { file: 8, directory: 4, link: 10 };
const FLAGS = {
  file: FLAG_ELF | FLAG_ASCII | FLAG_UTF8,
  directory: FLAG_COMPLETE | FLAG_FROZEN,
  link: 0,
};
/** What the kernel follows before it gives up. */
const MOST_LINKS = 40;

/**
 * Checks an index against itself and against the manifest. Takes time in proportion to its size,
 * whatever is in it: hash slots that were made to collide too.
 * @returns all entries
 * @throws ERR_WALLA_ARCHIVE_DAMAGED
 */
export function verifyIndex(index: IndexReader, manifest: Manifest): ReadEntry[] {
  const entries = [...index.entries()];
  const numbers = new Map(entries.map(({ path }, number) => [path, number]));
  const check = new IndexCheck(index, manifest, entries, numbers);
  check.run();
  return entries;
}

class IndexCheck {
  readonly #index: IndexReader;
  readonly #manifest: Manifest;
  readonly #entries: ReadEntry[];
  readonly #numbers: Map<string, number>;

  constructor(
    index: IndexReader,
    manifest: Manifest,
    entries: ReadEntry[],
    numbers: Map<string, number>,
  ) {
    this.#index = index;
    this.#manifest = manifest;
    this.#entries = entries;
    this.#numbers = numbers;
  }

  run(): void {
    this.#checkPaths();
    this.#entries.forEach((entry) => {
      this.#checkEntry(entry);
      if (entry.type === 'link') this.#checkLink(entry);
    });
    this.#checkListings();
    this.#checkPathSlots();
    this.#checkResolutions();
    this.#checkManifest();
  }

  #checkPaths(): void {
    const [root] = this.#entries;
    if (root?.path !== '' || root.type !== 'directory') throw damaged('entry 0 is not the root');
    let before = '';
    for (const { path } of this.#entries.slice(1)) {
      const name = formatName(path);
      if (!isSafePath(path)) throw damaged(`the path ${name} leads out of the archive`);
      const order = compareBytes(before, path);
      if (order === 0) throw damaged(`${name} is packed twice`);
      if (order > 0) throw damaged(`the entries are not sorted at ${name}`);
      before = path;
      if (this.#at(parentOf(path))?.type !== 'directory')
        throw damaged(`the directory of ${name} is not packed`);
    }
  }

  #checkEntry({ path, type, mode, flags, scope, format, linkTarget, linkText }: ReadEntry): void {
    const name = formatName(path);
    if (mode > 0o177777) throw damaged(`${name} has mode ${mode.toString(8)}`);
    if ((flags & ~FLAGS[type]) !== 0) throw damaged(`${name} has flags that no ${type} has`);
    const frozen = `${this.#manifest.root}/${path}`.includes('/node_modules/');
    if (type === 'directory' && ((flags & FLAG_FROZEN) !== 0) !== frozen)
      throw damaged(`${name} is ${frozen ? 'not ' : ''}marked as frozen`);
    if (type !== 'file' && (scope !== undefined || format !== undefined))
      throw damaged(`${name} has what only a file has`);
    if (type !== 'link' && (linkTarget !== undefined || linkText !== ''))
      throw damaged(`${name} has what only a link has`);
    if (scope === undefined) return;
    const governing = this.#entries[scope];
    const above = governing?.path.replace(/(?:^|\/)package\.json$/, '');
    const governs =
      governing?.type === 'file' &&
      /(?:^|\/)package\.json$/.test(governing.path) &&
      (above === '' || path.startsWith(`${above}/`));
    if (!governs) throw damaged(`${name} has a package.json that is not above it`);
  }

  /** A target that the text leads to through packed names alone must be the one the index has. */
  #checkLink({ path, linkText, linkTarget }: ReadEntry): void {
    const name = formatName(path);
    if (linkText === '' || linkText.includes('\0')) throw damaged(`the link ${name} has no target`);
    if (linkTarget !== undefined && this.#entries[linkTarget]?.type === 'link')
      throw damaged(`the link ${name} does not end at a file or directory`);
    const led = this.#follow(parentOf(path), linkText);
    if (led !== undefined && led !== linkTarget)
      throw damaged(`the link ${name} leads to ${formatName(linkText)}, the index says elsewhere`);
  }

  /** @returns the packed entry that a link's text ends at, or undefined where that leads through what is not packed */
  #follow(directory: string, text: string): number | undefined {
    const { root } = this.#manifest;
    let at = directory === '' ? [] : directory.split('/');
    const todo = text.split('/').reverse();
    if (text.startsWith('/')) {
      const below = root === '/' ? '/' : `${root}/`;
      if (text !== root && !text.startsWith(below)) return undefined;
      at = [];
      todo.splice(0, todo.length, ...text.slice(below.length).split('/').reverse());
    }
    for (let links = 0; todo.length > 0;) {
      const part = todo.pop();
      if (part === '' || part === '.' || part === undefined) continue;
      if (part === '..') {
        if (at.pop() === undefined) return undefined;
        continue;
      }
      at.push(part);
      const entry = this.#at(at.join('/'));
      if (entry === undefined) return undefined;
      if (entry.type !== 'link') continue;
      if (entry.linkText.startsWith('/') || ++links > MOST_LINKS) return undefined;
      at.pop();
      todo.push(...entry.linkText.split('/').reverse());
    }
    return this.#numbers.get(at.join('/'));
  }

  #checkListings(): void {
    let expected = 0;
    const children = this.#childCounts();
    this.#entries.forEach((entry, number) => {
      const { first, count } = this.#index.listingPlace(number);
      const name = formatName(entry.path);
      if (first !== expected && count > 0) throw damaged(`the listing of ${name} is out of place`);
      expected += count;
      if (count > 0 && (entry.flags & FLAG_COMPLETE) === 0)
        throw damaged(`${name} has a listing that is not complete`);
      if (entry.type === 'directory' && entry.flags & FLAG_COMPLETE)
        this.#checkListing(entry, number, children.get(entry.path) ?? 0);
    });
    if (expected !== this.#index.listingCount)
      throw damaged('some listings belong to no directory');
  }

  #checkListing(directory: ReadEntry, number: number, packed: number): void {
    let before: string | undefined;
    let found = 0;
    for (const { name, entry, type } of this.#index.listing(number)) {
      const path = directory.path === '' ? name : `${directory.path}/${name}`;
      const shown = formatName(path);
      if (name.includes('/') || !isSafePath(path)) throw damaged(`${shown} is no name to list`);
      if (before !== undefined && compareBytes(before, name) >= 0)
        throw damaged(`the listing of ${formatName(directory.path)} is not sorted at ${shown}`);
      before = name;
      if (entry === undefined) continue;
      found += 1;
      const child = this.#entries[entry];
      // With --preserve-symlinks a link is packed as what it leads to.
      const types = child && this.#manifest.preserveSymlinks ? [10] : [];
      if (child?.path !== path || ![DIRECTORY_TYPES[child.type], ...types].includes(type))
        throw damaged(`the listing has another ${shown} than the index`);
    }
    if (found !== packed)
      throw damaged(`the listing of ${formatName(directory.path)} lacks what is packed there`);
  }

  #childCounts(): Map<string, number> {
    const counts = new Map<string, number>();
    for (const { path } of this.#entries) {
      if (path === '') continue;
      const parent = parentOf(path);
      counts.set(parent, (counts.get(parent) ?? 0) + 1);
    }
    return counts;
  }

  #checkPathSlots(): void {
    const slots = [...this.#index.pathSlots()];
    const seen = new Set<number>();
    for (const slot of slots) {
      if (slot === undefined) continue;
      const path = this.#entries[slot.entry]?.path ?? '';
      if (seen.has(slot.entry) || slot.hash !== hashBytes(Buffer.from(path)))
        throw damaged(`a path slot is wrong about ${formatName(path)}`);
      seen.add(slot.entry);
    }
    if (seen.size !== this.#entries.length || !allReachable(slots))
      throw damaged('the path slots do not lead to every entry');
  }

  #checkResolutions(): void {
    const slots = [...this.#index.resolutionSlots()];
    const seen = new Set<string>();
    let absent = 0;
    for (const slot of slots) {
      if (slot === undefined) continue;
      const { directory, specifier, kind, outcome } = slot.found;
      const number = kind === 'import' ? KIND_IMPORT : KIND_REQUIRE;
      const key = `${directory} ${kind} ${specifier}`;
      if (seen.has(key) || slot.hash !== resolutionHash(directory, number, specifier))
        throw damaged(`a resolution slot is wrong about ${formatName(specifier)}`);
      seen.add(key);
      if (outcome === 'absent') absent += 1;
      this.#checkResolution(slot.found);
    }
    if (!allReachable(slots)) throw damaged('the resolution slots do not lead to every answer');
    const { counts } = this.#manifest;
    if (counts.resolutions !== seen.size || counts.absent !== absent)
      throw damaged('manifest and index disagree about the number of resolutions');
  }

  #checkResolution({ directory, specifier, outcome, file, text }: ReadResolution): void {
    const right =
      this.#entries[directory]?.type === 'directory' &&
      (outcome === 'file'
        ? file !== undefined && this.#entries[file]?.type === 'file' && /^(?:$|[?#])/.test(text)
        : file === undefined && (outcome === 'builtin' ? /^[\w:/.-]+$/.test(text) : isError(text)));
    if (!right) throw damaged(`the answer for ${formatName(specifier)} makes no sense`);
  }

  #checkManifest(): void {
    const { counts, dataBytes, entries, fingerprint: found } = this.#manifest;
    const files = this.#entries.filter(({ type }) => type === 'file');
    const numberOf = (wanted: ReadEntry['type']) =>
      this.#entries.filter(({ type }) => type === wanted).length;
    if (
      counts.files !== files.length ||
      counts.directories !== numberOf('directory') ||
      counts.links !== numberOf('link') ||
      counts.natives !== files.filter(({ flags }) => flags & FLAG_ELF).length ||
      dataBytes !== files.reduce((sum, { size }) => sum + size, 0)
    )
      throw damaged('manifest and index disagree about their counts');
    if (found !== fingerprint(this.#entries))
      throw damaged('manifest and index disagree about the fingerprint');
    if (entries.length === 0) throw damaged('the manifest names no program');
    for (const entry of entries) {
      const type = this.#at(entry)?.type;
      if (type !== 'file' && !(type === 'link' && this.#manifest.preserveSymlinks))
        throw damaged(`the program ${formatName(entry)} is not packed`);
    }
  }

  #at(path: string): ReadEntry | undefined {
    return this.#entries[this.#numbers.get(path) ?? -1];
  }
}

function parentOf(path: string): string {
  return path.slice(0, Math.max(0, path.lastIndexOf('/')));
}

function isError(text: string): boolean {
  try {
    const value: unknown = JSON.parse(text);
    return (
      typeof value === 'object' &&
      value !== null &&
      Object.values(value).every((field) => typeof field === 'string')
    );
  } catch {
    return false;
  }
}

/** Whether linear probing finds every slot that is used: none lies behind a gap, and half are free. */
function allReachable(slots: ({ hash: number } | undefined)[]): boolean {
  const { length } = slots;
  const gap = slots.indexOf(undefined);
  if (gap === -1 || slots.filter((slot) => slot !== undefined).length * 2 > length) return false;
  let since = 0;
  for (let step = 1; step < length; step++) {
    const at = (gap + step) % length;
    const slot = slots[at];
    if (slot === undefined) {
      since = 0;
      continue;
    }
    // Slots between where the search for this one starts and where it stands; all must be used.
    const distance = (at - (slot.hash & (length - 1)) + length) % length;
    if (distance > since) return false;
    since += 1;
  }
  return true;
}
