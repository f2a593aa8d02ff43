/** Gets tarballs of packages: from a cache, or from a registry, again where a failure may pass. */
import { readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Dispatcher } from 'undici';
import * as ssri from 'ssri';
import { WallaError } from '../../errors.ts';
import { showUrl } from '../../transport/archive-url.ts';
import { discard, get, makeAgent, type Response } from '../../transport/fetch/get.ts';
import { Interrupted } from '../../transport/fetch/interrupted.ts';
import { contentLength, retryAfterMs } from '../../transport/fetch/validators.ts';
import { Watchdog } from '../../transport/fetch/watchdog.ts';
import { unreadable } from '../source-tree.ts';
import type { LockedPackage } from './lock-file.ts';
import type { NpmSettings } from './npm-settings.ts';
import type { PackageCache } from './package-cache.ts';

const ATTEMPTS = 4;
const FIRST_PAUSE_MS = 250;
/** Answers that may be others the next time; other answers from 400 on are final. */
const PASSING = new Set([408, 425, 429, 500, 502, 503, 504]);
/** Far above any package. */
const MOST_BYTES = 1024 ** 3;

export interface Fetched {
  bytes: Buffer;
  /** How many of them came over the network. */
  received: number;
}

export class PackageFetcher {
  readonly #settings: NpmSettings;
  readonly #cache: PackageCache;
  readonly #timeoutMs: number;
  readonly #agent: Dispatcher;

  /** @param timeoutMs how long a registry may be silent */
  constructor(settings: NpmSettings, cache: PackageCache, timeoutMs: number) {
    this.#settings = settings;
    this.#cache = cache;
    this.#timeoutMs = timeoutMs;
    this.#agent = makeAgent(timeoutMs, settings);
  }

  /**
   * @param localPath where a tarball of the tree itself is
   * @throws WallaError ERR_WALLA_TRANSFER, ERR_WALLA_INTEGRITY, ERR_WALLA_LOCKFILE, ERR_WALLA_UNREADABLE
   */
  async fetch(one: LockedPackage, localPath: (resolved: string) => string): Promise<Fetched> {
    const { name, version, resolved, integrity } = one;
    if (resolved?.startsWith('file:')) {
      const path = localPath(resolved.slice('file:'.length));
      const bytes = await readFile(path).catch((error: unknown) => {
        throw unreadable(path, error);
      });
      if (integrity !== undefined) check(bytes, integrity, one, path);
      return { bytes, received: 0 };
    }
    if (resolved !== undefined && !(/^https?:/.test(resolved) && URL.canParse(resolved)))
      throw new WallaError(
        'ERR_WALLA_LOCKFILE',
        `${name}@${version} comes from ${resolved.split(':')[0] ?? ''}, not from a registry`,
        { hint: 'pack from an installed tree: npm ci && walla pack ENTRY' },
      );
    if (integrity === undefined || Object.keys(ssri.parse(integrity)).length === 0)
      throw new WallaError(
        'ERR_WALLA_LOCKFILE',
        `the lock file has no integrity for ${name}@${version} (${one.location})`,
        { hint: 'write it anew: rm package-lock.json && npm install --package-lock-only' },
      );
    const known = this.#cache.find(integrity);
    if (known !== undefined) return { bytes: known, received: 0 };
    const url = this.#settings.tarball(name, version, resolved);
    const bytes = await this.#download(url);
    check(bytes, integrity, one, showUrl(url));
    this.#cache.keep(integrity, bytes);
    return { bytes, received: bytes.length };
  }

  async close(): Promise<void> {
    await this.#agent.destroy();
  }

  async #download(url: URL): Promise<Buffer> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.#attempt(url);
      } catch (error) {
        if (!(error instanceof Interrupted)) throw ofRegistry(error);
        if (attempt === ATTEMPTS)
          throw new WallaError(
            'ERR_WALLA_TRANSFER',
            `cannot download ${showUrl(url)}: ${error.message} (${attempt} attempts)`,
            { hint: REGISTRY_HINT, cause: error },
          );
        const pause = FIRST_PAUSE_MS * 2 ** (attempt - 1) * (0.75 + Math.random() / 2);
        await sleep(Math.max(pause, Math.min(error.afterMs, this.#timeoutMs)));
      }
    }
  }

  async #attempt(url: URL): Promise<Buffer> {
    const watchdog = new Watchdog(this.#timeoutMs);
    const authorization = this.#settings.authorization(url);
    const response = await get(url, {}, this.#agent, watchdog, authorization);
    try {
      checkStatus(response, url, authorization !== undefined);
      watchdog.expectBody();
      return await readBody(response, watchdog);
    } finally {
      watchdog.stop();
      discard(response);
    }
  }
}

const REGISTRY_HINT =
  'check the network and npm’s settings (npm config get registry; proxies), then pack again: what is here is kept';

function checkStatus({ status, headers }: Response, url: URL, hadCredentials: boolean): void {
  if (status === 200) return;
  const said = `the registry answered ${status}`;
  if (PASSING.has(status)) throw new Interrupted(said, retryAfterMs(headers['retry-after']));
  const denied = status === 401 || status === 403;
  throw new WallaError('ERR_WALLA_TRANSFER', `cannot download ${showUrl(url)}: ${said}`, {
    hint: denied
      ? `${hadCredentials ? 'renew' : 'add'} the token of //${url.host}/ in .npmrc`
      : REGISTRY_HINT,
  });
}

async function readBody({ body, headers }: Response, watchdog: Watchdog): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  try {
    for await (const chunk of body as AsyncIterable<Buffer>) {
      watchdog.arrived(chunk.length);
      bytes += chunk.length;
      if (bytes > MOST_BYTES)
        throw new WallaError('ERR_WALLA_INTEGRITY', `a package is longer than ${MOST_BYTES} bytes`);
      chunks.push(chunk);
    }
  } catch (error) {
    if (error instanceof WallaError) throw error;
    throw watchdog.reason ?? new Interrupted(`${(error as Error).message} after ${bytes} bytes`);
  }
  const expected = contentLength(headers);
  if (expected !== undefined && bytes < expected)
    throw new Interrupted(`the body ended after ${bytes} of ${expected} bytes`);
  return Buffer.concat(chunks);
}

function check(bytes: Buffer, integrity: string, one: LockedPackage, from: string): void {
  if (ssri.checkData(bytes, integrity) !== false) return;
  const wanted = ssri.parse(integrity).pickAlgorithm();
  const found = ssri.fromData(bytes, { algorithms: [wanted] }).toString();
  throw new WallaError(
    'ERR_WALLA_INTEGRITY',
    `${one.name}@${one.version} from ${from} (${bytes.length} bytes) has ${found}, the lock file says ${integrity}`,
  );
}

/** Messages of `get` are about archives. */
function ofRegistry(error: unknown): unknown {
  if (!(error instanceof WallaError)) return error;
  const isAboutArchives = error.hint.includes('WALLA_ARCHIVE');
  return isAboutArchives
    ? new WallaError(error.code, error.message, { hint: REGISTRY_HINT, cause: error })
    : error;
}
