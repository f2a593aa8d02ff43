/**
 * Archives that were downloaded before, so that a server need only say that they are still right. In a directory of the
 * user's own (0700, files 0600); a copy is used only while its digests hold.
 *
 *     <directory>/<key>.walla      the archive, plain tar
 *     <directory>/<key>.json       which version of the file on the server it is
 *     <directory>/*.part           a download under way
 */
import { createHash, randomBytes } from 'node:crypto';
import {
  closeSync,
  existsSync,
  fstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { loadAddon } from '../../../native/load-addon.ts';
import { MANIFEST_NAME } from '../../format/index-layout.ts';
import { decodeManifest } from '../../format/manifest.ts';
import { BLOCK_BYTES, leadingMember, roundUp } from '../../format/tar-header.ts';
import type { Version } from './validators.ts';

const HOUR_MS = 3_600_000;
/** A download that lives writes to its file all the time. */
const DEAD_PART_MS = HOUR_MS;
const UNUSED_MS = 30 * 24 * HOUR_MS;

interface Note {
  etag: string | undefined;
  lastModified: string | undefined;
  /** `sha256` of the manifest. */
  identity: string;
}

export class KeptDownloads {
  readonly #directory: string;
  readonly #key: string;
  readonly #fd: number;

  /**
   * @param directory made if it is not there
   * @throws Error with an errno code when it cannot be used, or others could write it
   */
  constructor(directory: string, url: URL) {
    // One level alone: a home directory that is not there is not to be made.
    if (!existsSync(dirname(directory))) mkdirSync(dirname(directory), { mode: 0o700 });
    this.#fd = loadAddon().openPrivateDirectory(directory, true);
    this.#directory = directory;
    // The query belongs to the file's name on the server. User and password do not.
    const key = createHash('sha256').update(`${url.origin}${url.pathname}${url.search}`);
    this.#key = key.digest('hex').slice(0, 32);
  }

  /** Name of the archive's file in the directory. */
  get name(): string {
    return `${this.#key}.walla`;
  }

  /** The version that is here, whole: every byte of it is read. */
  find(): Version | undefined {
    const note = this.#note();
    if (!note || !this.#hasDigest(note.identity)) return undefined;
    return { etag: note.etag, lastModified: note.lastModified, exact: undefined };
  }

  /** Says that the copy was of use. */
  touch(): void {
    for (const ending of ['walla', 'json']) {
      const now = new Date();
      utimesSync(join(this.#directory, `${this.#key}.${ending}`), now, now);
    }
  }

  /** A new file to download into. */
  begin(): { name: string; fd: number } {
    this.#sweep();
    const name = `${this.#key}.${randomBytes(8).toString('hex')}.part`;
    return { name, fd: loadAddon().openPrivateFileAt(this.#fd, name, 'create') };
  }

  /** Gives a whole download its name. Between the two renames the note does not fit, and is not believed. */
  keep(part: string, version: Version, identity: string): void {
    const { etag, lastModified } = version;
    renameSync(join(this.#directory, part), join(this.#directory, this.name));
    const note: Note = { etag, lastModified, identity };
    const aside = join(this.#directory, `${part}.json.part`);
    writeFileSync(aside, JSON.stringify(note), { mode: 0o600, flag: 'wx' });
    renameSync(aside, join(this.#directory, `${this.#key}.json`));
  }

  remove(name: string): void {
    rmSync(join(this.#directory, name), { force: true });
  }

  #note(): Note | undefined {
    const fd = this.#open(`${this.#key}.json`);
    if (fd === undefined) return undefined;
    try {
      const note = JSON.parse(readFileSync(fd, 'utf8')) as Partial<Note> | null;
      return typeof note?.identity === 'string' ? (note as Note) : undefined;
    } catch {
      return undefined;
    } finally {
      closeSync(fd);
    }
  }

  #hasDigest(identity: string): boolean {
    const fd = this.#open(this.name);
    if (fd === undefined) return false;
    try {
      const header = Buffer.alloc(BLOCK_BYTES);
      readSync(fd, header, 0, BLOCK_BYTES, 0);
      const { size } = fstatSync(fd);
      const bytes = leadingMember(header, MANIFEST_NAME);
      if (BLOCK_BYTES + bytes > size) return false;
      const member = Buffer.alloc(bytes);
      readSync(fd, member, 0, bytes, BLOCK_BYTES);
      const { body, sha256 } = decodeManifest(member, loadAddon().sha256);
      return (
        sha256 === identity &&
        body.offset === BLOCK_BYTES + roundUp(bytes) &&
        body.offset + body.bytes === size &&
        loadAddon().digestFile(fd, body.offset, size) === body.digest
      );
    } catch {
      return false; // damaged: downloaded again
    } finally {
      closeSync(fd);
    }
  }

  /** @returns undefined when there is none, or not one that is this user's alone */
  #open(name: string): number | undefined {
    try {
      const fd = loadAddon().openPrivateFileAt(this.#fd, name, 'read');
      return fd < 0 ? undefined : fd;
    } catch {
      return undefined;
    }
  }

  #sweep(): void {
    for (const name of readdirSync(this.#directory)) {
      if (!/\.(walla|json|part)$/.test(name)) continue;
      const stat = statSync(join(this.#directory, name), { throwIfNoEntry: false });
      const longest = name.endsWith('.part') ? DEAD_PART_MS : UNUSED_MS;
      if (stat && Date.now() - stat.mtimeMs > longest) this.remove(name);
    }
  }
}
