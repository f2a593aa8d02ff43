/**
 * Downloads an archive: tries again after a failure that may pass, from where it stopped if the server still has the
 * same bytes, and gives up in bounded time.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Dispatcher } from 'undici';
import { WallaError } from '../../errors.ts';
import { showUrl, withoutSecrets } from '../archive-url.ts';
import { ArchiveDecoder } from './archive-decoder.ts';
import { ArchiveSink } from './archive-sink.ts';
import { describe, discard, get, makeAgent, type Response } from './get.ts';
import { Interrupted } from './interrupted.ts';
import {
  contentLength,
  contentRange,
  retryAfterMs,
  type Version,
  versionOf,
} from './validators.ts';
import { Watchdog } from './watchdog.ts';

/** Attempts in a row that bring less than PROGRESS_BYTES of news. */
const FRUITLESS_ATTEMPTS = 5;
const MOST_ATTEMPTS = 100;
const PROGRESS_BYTES = 1024 * 1024;
const FIRST_PAUSE_MS = 250;
const LONGEST_PAUSE_MS = 4000;
/** Answers that may be others the next time; other answers from 400 on are final. */
const PASSING = new Set([408, 425, 429, 500, 502, 503, 504]);

export interface Downloaded {
  /** The server says that the copy named by `known` is still right; nothing was written. */
  unchanged: boolean;
  version: Version;
  /** Digests of what was written; undefined when unchanged. */
  archive: ReturnType<ArchiveSink['finish']> | undefined;
  receivedBytes: number;
}

export class Download {
  readonly #url: URL;
  readonly #name: string;
  readonly #timeoutMs: number;
  readonly #agent: Dispatcher;
  #known: Version | undefined;
  #fd: number;
  #version: Version = { etag: undefined, lastModified: undefined, exact: undefined };
  /** Bytes of the file on the server, and how many of them are here. */
  #total: number | undefined;
  /** Without a length, whether the end of the body can be told from the end of a broken connection. */
  #chunked = false;
  #received = 0;
  #furthest = 0;
  #allReceived = 0;
  #sink: ArchiveSink;
  #decoder: ArchiveDecoder;

  /**
   * @param fd file to write
   * @param known version of a copy that is here already
   */
  constructor(url: URL, fd: number, timeoutMs: number, known: Version | undefined) {
    this.#url = url;
    this.#name = showUrl(url);
    this.#timeoutMs = timeoutMs;
    this.#agent = makeAgent(timeoutMs);
    this.#known = known;
    this.#fd = fd;
    this.#sink = new ArchiveSink(fd, this.#name);
    this.#decoder = new ArchiveDecoder(this.#sink, this.#name);
  }

  /** Starts over into another file. */
  redirectTo(fd: number): void {
    this.#fd = fd;
    this.#restart();
  }

  /** @throws WallaError */
  async run(): Promise<Downloaded> {
    let fruitless = 0;
    for (let attempts = 1; ; attempts++) {
      const before = this.#furthest;
      try {
        const unchanged = await this.#attempt();
        return {
          unchanged,
          version: this.#version,
          archive: unchanged ? undefined : this.#sink.finish(),
          receivedBytes: this.#allReceived,
        };
      } catch (error) {
        if (!(error instanceof Interrupted)) throw error;
        fruitless = this.#furthest - before >= PROGRESS_BYTES ? 0 : fruitless + 1;
        if (fruitless >= FRUITLESS_ATTEMPTS || attempts >= MOST_ATTEMPTS)
          throw this.#failure(error.message, attempts);
        const pause = Math.min(FIRST_PAUSE_MS * 2 ** Math.max(0, fruitless - 1), LONGEST_PAUSE_MS);
        // Spread, so that many nodes do not come back at once.
        const spread = pause * (0.75 + Math.random() / 2);
        await sleep(Math.max(spread, Math.min(error.afterMs, this.#timeoutMs)));
      }
    }
  }

  /** @returns whether the known copy is still right */
  async #attempt(): Promise<boolean> {
    if (this.#received > 0 && this.#version.exact === undefined) this.#restart();
    const watchdog = new Watchdog(this.#timeoutMs);
    const response = await get(this.#url, this.#headers(), this.#agent, watchdog);
    try {
      if (this.#isUnchanged(response)) return true;
      this.#begin(response);
      watchdog.expectBody();
      await this.#read(response, watchdog);
      return false;
    } finally {
      watchdog.stop();
      discard(response);
    }
  }

  #headers(): Record<string, string> {
    const { exact } = this.#version;
    if (this.#received > 0 && exact !== undefined)
      return { range: `bytes=${this.#received}-`, 'if-range': exact };
    const { etag, lastModified } = this.#known ?? {};
    if (etag !== undefined) return { 'if-none-match': etag };
    return lastModified === undefined ? {} : { 'if-modified-since': lastModified };
  }

  #isUnchanged({ status }: Response): boolean {
    if (status !== 304) return false;
    if (this.#known && this.#received === 0) return true;
    throw new Interrupted('the server answered 304 to a request without conditions');
  }

  /** Checks that what comes next is what was asked for. */
  #begin({ status, headers }: Response): void {
    if (status === 200) {
      // Also the answer to a range: the file is another one now, or the server knows no ranges.
      if (this.#received > 0) this.#restart();
      this.#version = versionOf(headers);
      this.#total = contentLength(headers);
      this.#chunked = headers['transfer-encoding'] !== undefined;
      return;
    }
    if (status === 206 && this.#received > 0) {
      const range = contentRange(headers['content-range']);
      const { etag } = headers;
      const fits =
        range?.start === this.#received &&
        (range.total ?? this.#total) === (this.#total ?? range.total) &&
        (etag === undefined || etag === this.#version.etag);
      if (fits) {
        this.#total ??= range.total;
        this.#chunked = headers['transfer-encoding'] !== undefined;
        return;
      }
      const from = this.#received;
      this.#restart();
      const got = headers['content-range'] ?? 'no Content-Range';
      throw new Interrupted(
        `the server was asked for bytes from ${from} on, and answered with ${got}`,
      );
    }
    if (status === 416 && this.#received > 0) {
      this.#restart();
      throw new Interrupted('the server has no more bytes of it (416)');
    }
    if (PASSING.has(status))
      throw new Interrupted(`the server answered ${status}`, retryAfterMs(headers['retry-after']));
    throw this.#refusal(status);
  }

  async #read({ body }: Response, watchdog: Watchdog): Promise<void> {
    try {
      for await (const chunk of body as AsyncIterable<Buffer>) {
        watchdog.arrived(chunk.length);
        this.#take(chunk);
      }
    } catch (error) {
      if (error instanceof WallaError) throw error;
      if (watchdog.reason) throw watchdog.reason;
      const { message } = describe(error);
      throw new Interrupted(`the connection broke: ${withoutSecrets(message, this.#url)}`);
    }
    this.#ended();
  }

  #take(chunk: Buffer): void {
    const expected = this.#decoder.isGzip === false ? this.#sink.expectedBytes : undefined;
    if (expected !== undefined && this.#received + chunk.length > expected)
      throw this.#lie(`sends more than the ${expected} bytes that the archive has`);
    this.#decoder.push(chunk);
    this.#received += chunk.length;
    this.#allReceived += chunk.length;
    this.#furthest = Math.max(this.#furthest, this.#received);
  }

  /** The body came to its end: but is it all? */
  #ended(): void {
    const whole = this.#sink.writtenBytes === this.#sink.expectedBytes;
    const asSaid = this.#total === undefined ? this.#chunked : this.#received >= this.#total;
    if (this.#received === 0 || (!asSaid && (this.#total !== undefined || !whole)))
      throw new Interrupted('the connection ended early');
    if (this.#decoder.isGzip) this.#decoder.end();
    else if (!whole && this.#sink.expectedBytes !== undefined)
      throw this.#lie(
        `has ${this.#received} bytes, and the archive's manifest says ${this.#sink.expectedBytes}`,
      );
    // What is left that is wrong with it, finish() says.
  }

  #restart(): void {
    this.#received = 0;
    this.#total = undefined;
    this.#version = { etag: undefined, lastModified: undefined, exact: undefined };
    this.#sink = new ArchiveSink(this.#fd, this.#name);
    this.#decoder = new ArchiveDecoder(this.#sink, this.#name);
  }

  #lie(what: string): WallaError {
    return new WallaError('ERR_WALLA_TRANSFER', `${this.#name} ${what}`, {
      hint: 'put the archive on the server again, and check it with `walla verify`',
    });
  }

  #refusal(status: number): WallaError {
    if (status === 404 || status === 410)
      return new WallaError(
        'ERR_WALLA_ARCHIVE_MISSING',
        `${this.#name} does not exist (${status})`,
      );
    if (status === 401 || status === 403)
      return new WallaError('ERR_WALLA_UNREADABLE', `${this.#name} may not be read (${status})`, {
        hint: 'give user and password in WALLA_ARCHIVE (https://USER:PASSWORD@HOST/PATH), or a signed URL that has not expired',
      });
    if (status === 407)
      return new WallaError('ERR_WALLA_TRANSFER', `the proxy for ${this.#name} answered 407`, {
        hint: 'give user and password of the proxy in http_proxy or https_proxy',
      });
    return new WallaError('ERR_WALLA_TRANSFER', `${this.#name} answered ${status}`);
  }

  #failure(reason: string, attempts: number): WallaError {
    const expected =
      this.#total ?? (this.#decoder.isGzip === true ? undefined : this.#sink.expectedBytes);
    return new WallaError(
      'ERR_WALLA_TRANSFER',
      `cannot download ${this.#name}: ${reason}; received ${this.#furthest} of ` +
        `${expected ?? 'an unknown number of'} bytes in ${attempts} attempts`,
      {
        hint: 'check the server, and the way to it (http_proxy, no_proxy); WALLA_HTTP_TIMEOUT allows it more seconds; or copy the archive and name its path in WALLA_ARCHIVE',
      },
    );
  }
}
