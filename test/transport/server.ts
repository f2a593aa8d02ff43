/** An HTTP server on 127.0.0.1 that serves some bytes well, or as badly as a test wants. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

export interface Seen {
  method: string | undefined;
  url: string;
  headers: IncomingMessage['headers'];
}

export type Answer = (
  request: IncomingMessage,
  response: ServerResponse,
  /** Number of this request, from 1. */
  count: number,
) => void | Promise<void>;

export class ArchiveServer {
  readonly seen: Seen[] = [];
  readonly #server: Server;

  constructor(answer: Answer, tls?: { key: string; cert: string }) {
    const listener = (request: IncomingMessage, response: ServerResponse): void => {
      const { method, url = '', headers } = request;
      this.seen.push({ method, url, headers });
      response.on('error', () => undefined);
      void Promise.resolve(answer(request, response, this.seen.length));
    };
    this.#server = tls ? createTlsServer(tls, listener) : createServer(listener);
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** For requests that come by CONNECT. */
  get server(): Server {
    return this.#server;
  }

  async listen(): Promise<this> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
    return this;
  }

  url(path: string, userinfo = ''): string {
    const secure = this.#server.constructor !== createServer().constructor;
    return `${secure ? 'https' : 'http'}://${userinfo}127.0.0.1:${this.port}${path}`;
  }

  close(): void {
    this.#server.close();
    this.#server.closeAllConnections();
  }
}

/** Runs with a server that is closed in the end. */
export async function withServer<T>(
  answer: Answer,
  action: (server: ArchiveServer) => Promise<T>,
  tls?: { key: string; cert: string },
): Promise<T> {
  const server = await new ArchiveServer(answer, tls).listen();
  try {
    return await action(server);
  } finally {
    server.close();
  }
}

/** First byte that a request asks for; undefined without a range. */
export function rangeStart({ headers }: IncomingMessage): number | undefined {
  const match = /^bytes=(\d+)-$/.exec(headers.range ?? '');
  return match ? Number(match[1]) : undefined;
}

/** Answers as a good server does: ETag, conditions, ranges. */
export function serveWell(bytes: Buffer, etag = '"v1"'): Answer {
  return (request, response) => {
    response.setHeader('etag', etag);
    if (request.headers['if-none-match'] === etag) {
      response.writeHead(304).end();
      return;
    }
    const from = rangeStart(request);
    if (from === undefined || request.headers['if-range'] !== etag) {
      response.writeHead(200, { 'content-length': bytes.length }).end(bytes);
      return;
    }
    serveRange(response, bytes, from);
  };
}

export function serveRange(response: ServerResponse, bytes: Buffer, from: number): void {
  response
    .writeHead(206, {
      'content-length': bytes.length - from,
      'content-range': `bytes ${from}-${bytes.length - 1}/${bytes.length}`,
    })
    .end(bytes.subarray(from));
}

/** Sends some bytes and breaks the connection once they are on their way. */
export async function breakAfter(response: ServerResponse, bytes: Buffer): Promise<void> {
  await new Promise((resolve) => response.write(bytes, resolve));
  await sleep(50);
  response.destroy();
}
