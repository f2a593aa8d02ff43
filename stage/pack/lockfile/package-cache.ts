/**
 * Tarballs that were downloaded before, by walla or by npm. Both are found by digest, and compared with it each time they
 * are read, so nothing here has to be trusted.
 */
import { createHash, randomBytes } from 'node:crypto';
import {
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import * as ssri from 'ssri';

const UNUSED_MS = 30 * 24 * 3_600_000;
const NAME = /^[0-9a-f]{64}\.tgz(?:\.[0-9a-f]{16})?$/;

export class PackageCache {
  readonly #directory: string | undefined;
  readonly #npmCache: string;

  /**
   * @param directory walla's own; undefined: none are kept
   * @param npmCache npm's, which is only read
   */
  constructor(directory: string | undefined, npmCache: string) {
    this.#directory = directory;
    this.#npmCache = npmCache;
  }

  /** @param integrity as the lock file has it */
  find(integrity: string): Buffer | undefined {
    const own = this.#path(integrity);
    for (const path of [...(own === undefined ? [] : [own]), ...this.#npmPaths(integrity)]) {
      try {
        const bytes = readFileSync(path);
        if (ssri.checkData(bytes, integrity) === false) continue;
        if (path === own) utimesSync(path, new Date(), new Date());
        return bytes;
      } catch {
        // Not there, or not to be read: it is downloaded.
      }
    }
    return undefined;
  }

  /** A copy that cannot be kept is no failure. */
  keep(integrity: string, bytes: Uint8Array): void {
    const path = this.#path(integrity);
    if (path === undefined || this.#directory === undefined) return;
    const aside = `${path}.${randomBytes(8).toString('hex')}`;
    try {
      mkdirSync(this.#directory, { recursive: true, mode: 0o700 });
      writeFileSync(aside, bytes, { mode: 0o600, flag: 'wx' });
      renameSync(aside, path);
    } catch {
      rmSync(aside, { force: true });
    }
  }

  /** Removes what nobody has asked for in a month. */
  sweep(): void {
    if (this.#directory === undefined) return;
    try {
      for (const name of readdirSync(this.#directory).filter((name) => NAME.test(name))) {
        const path = join(this.#directory, name);
        const modified = statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? Date.now();
        if (Date.now() - modified > UNUSED_MS) rmSync(path, { force: true });
      }
    } catch {
      // Not there yet.
    }
  }

  #path(integrity: string): string | undefined {
    const key = createHash('sha256').update(integrity).digest('hex');
    return this.#directory === undefined ? undefined : join(this.#directory, `${key}.tgz`);
  }

  /** The layout of cacache, which npm keeps its downloads with. */
  #npmPaths(integrity: string): string[] {
    return Object.values(ssri.parse(integrity))
      .flat()
      .map(({ algorithm, digest }) => {
        const hex = Buffer.from(digest, 'base64').toString('hex');
        const parts = [algorithm, hex.slice(0, 2), hex.slice(2, 4), hex.slice(4)];
        return join(this.#npmCache, '_cacache', 'content-v2', ...parts);
      });
  }
}
