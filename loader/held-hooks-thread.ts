/**
 * Node.js 20 has off-thread hooks only: each resolve and each load of an import is a message to a
 * hooks thread and back, and the thread takes 30 to 60 ms to start. The thread is held back here: its
 * messages are answered on this side from the image, which nothing in Node.js can tell from an
 * answer of the thread. At the first question that the image cannot answer, and when another tool
 * registers hooks, the thread is started after all, with our hooks in it, and gets that question.
 *
 * Messages and the order of calls: lib/internal/modules/esm/hooks.js (HooksProxy) and
 * lib/internal/worker.js of https://github.com/nodejs/node/tree/v20.x. That release line is closed. Where
 * something has another shape than expected, the thread simply starts.
 */
import type { MessagePort, Worker } from 'node:worker_threads';
import { commonjsFormatOffThread } from './node-features.ts';
import { hasAttributes, type LoadContext, type LoadResult, Module } from './node-internals.ts';
import type { ImportAnswers } from './import-answers.ts';
import { offThreadSource } from './import-source.ts';

interface HooksWorker extends Worker {
  receiveMessageSync(): { message: { status: string; body: unknown } } | undefined;
}

interface Request {
  method: string;
  args: unknown[];
  /** Where an asynchronous request wants its answer; a synchronous one waits at the public port. */
  port?: MessagePort;
}

/** What Node.js sends to a new thread, and what it takes to start it. */
interface HeldStart {
  worker: HooksWorker;
  handle: { startThread: () => void };
  /** Port of the thread's own messages, and the first of them. */
  port: MessagePort;
  message: LoadScript;
  transferList: readonly MessagePort[];
}

interface LoadScript {
  isInternal: boolean;
  publicPort: MessagePort;
  workerData: { lock: SharedArrayBuffer };
}

/** The answer to an asynchronous request. */
interface Reply {
  port: MessagePort;
  body: { source?: unknown };
}

/** Characters of source text that are on their way at a time, about. */
const SOURCES_PER_TURN = 256 << 10;

type Post = (this: unknown, message: unknown, transferList?: readonly MessagePort[]) => void;

/**
 * @param register registers our hooks with Node.js, which makes it create its hooks thread
 */
export function holdHooksThread(answers: ImportAnswers, register: () => void): void {
  const { MessagePort: Port, Worker: WorkerClass } =
    process.getBuiltinModule('node:worker_threads');
  const emitter = process.getBuiltinModule('node:events').EventEmitter as unknown as {
    init: (this: unknown, ...args: unknown[]) => void;
  };
  const ports = Port.prototype as unknown as { postMessage: Post };
  const { init } = emitter;
  const post = ports.postMessage;
  let worker: HooksWorker | undefined;
  // The first thing that a new worker does to itself,
  emitter.init = function (...args) {
    if (this instanceof WorkerClass) worker = this as HooksWorker;
    init.apply(this, args);
  };
  // and the last before its thread starts.
  ports.postMessage = function (message, transferList) {
    const start = worker && heldStart(worker, this as MessagePort, message, transferList);
    if (start) new HeldHooksThread(start, answers, post);
    else post.call(this, message, transferList);
  };
  try {
    register();
  } finally {
    emitter.init = init;
    ports.postMessage = post;
  }
}

function heldStart(
  worker: HooksWorker,
  port: MessagePort,
  message: unknown,
  transferList: readonly MessagePort[] | undefined,
): HeldStart | undefined {
  const symbol = Object.getOwnPropertySymbols(worker).find(
    ({ description }) => description === 'kHandle',
  );
  const handle =
    symbol && (worker as unknown as Record<symbol, Partial<HeldStart['handle']>>)[symbol];
  const { isInternal, publicPort, workerData } = (message ?? {}) as Partial<LoadScript>;
  const isExpected =
    isInternal === true &&
    workerData?.lock instanceof SharedArrayBuffer &&
    typeof publicPort?.postMessage === 'function' &&
    typeof handle?.startThread === 'function' &&
    typeof worker.receiveMessageSync === 'function';
  return isExpected && transferList
    ? {
        worker,
        handle: handle as HeldStart['handle'],
        port,
        message: message as LoadScript,
        transferList,
      }
    : undefined;
}

class HeldHooksThread {
  readonly #start: HeldStart;
  readonly #post: Post;
  readonly #lock: Int32Array;
  /** Undefined once other hooks have to see every question. */
  #answers: ImportAnswers | undefined;
  #registration: Request | undefined;
  #isHeld = true;
  #deferred: Reply[] = [];

  constructor(start: HeldStart, answers: ImportAnswers, post: Post) {
    this.#start = start;
    this.#answers = answers;
    this.#post = post;
    this.#lock = new Int32Array(start.message.workerData.lock);
    start.handle.startThread = () => undefined;
    start.worker.postMessage = (message: Request, transferList) => {
      this.#receive(message, transferList as readonly MessagePort[] | undefined);
    };
    // What the thread says when it has started.
    this.#reply(start.message.publicPort, { preloadScripts: [] });
  }

  #receive(request: Request, transferList: readonly MessagePort[] | undefined): void {
    const { method, port } = request;
    if (method === 'register' && this.#registration === undefined) {
      this.#registration = request;
      this.#reply(this.#start.message.publicPort, undefined);
      return;
    }
    if (method === 'register') this.#answers = undefined;
    const target = port ?? (this.#isHeld ? this.#start.message.publicPort : undefined);
    const answer = target && this.#answers && answerTo(request, this.#answers);
    if (answer) {
      if (port) this.#replyInTurn(port, answer);
      else this.#reply(target, answer);
      return;
    }
    if (method === 'resolve' && this.#answers) noteMiss(request, this.#answers);
    if (this.#isHeld) this.#startThread();
    this.#forward(request, transferList);
    // Node.js does this for the first of several pending requests, which may have been answered here.
    if (port) this.#start.worker.ref();
  }

  /**
   * Node.js makes a message channel for each request, and a closed channel keeps its memory until the event
   * loop turns, as does a message that nobody has taken: so each level of the import graph is answered in
   * turns of its own, of not too many sources.
   */
  #replyInTurn(port: MessagePort, body: Reply['body']): void {
    if (this.#deferred.push({ port, body }) === 1) setImmediate(() => this.#replySome());
  }

  #replySome(): void {
    let length = 0;
    let replies = 0;
    for (const { port, body } of this.#deferred) {
      this.#post.call(port, { status: 'success', body });
      replies++;
      if (typeof body.source === 'string') length += body.source.length;
      if (length >= SOURCES_PER_TURN) break;
    }
    this.#deferred.splice(0, replies);
    this.#notify();
    if (this.#deferred.length > 0) setImmediate(() => this.#replySome());
  }

  #reply(port: MessagePort, body: unknown): void {
    this.#post.call(port, { status: 'success', body });
    this.#notify();
  }

  #notify(): void {
    Atomics.add(this.#lock, 0, 1);
    Atomics.notify(this.#lock, 0);
  }

  #forward(request: Request, transferList?: readonly MessagePort[]): void {
    const { worker } = this.#start;
    const send = Object.getPrototypeOf(worker) as { postMessage: Post };
    send.postMessage.call(worker, request, transferList);
  }

  #startThread(): void {
    this.#isHeld = false;
    const { worker, handle, port, message, transferList } = this.#start;
    const before = Atomics.load(this.#lock, 0);
    this.#post.call(port, message, transferList);
    Reflect.deleteProperty(handle, 'startThread');
    handle.startThread();
    worker.unref();
    this.#await(before);
    if (!this.#registration) return;
    const ready = Atomics.load(this.#lock, 0);
    this.#forward(this.#registration);
    this.#await(ready);
  }

  /** Sleeps until the thread has answered, as Node.js does. */
  #await(notification: number): void {
    let last = notification;
    while (this.#start.worker.receiveMessageSync() === undefined) {
      Atomics.wait(this.#lock, 0, last);
      last = Atomics.load(this.#lock, 0);
    }
  }
}

/** The thread keeps no report; a question that it is asked is noted here, without what it answers. */
function noteMiss({ args }: Request, answers: ImportAnswers): void {
  if (!answers.lookup.misses) return;
  const [specifier, parentURL] = args as [string, string | undefined];
  if (answers.resolve(specifier, parentURL) === undefined)
    answers.miss(specifier, parentURL, () => undefined);
}

function answerTo({ method, args }: Request, answers: ImportAnswers): object | undefined {
  if (method === 'resolve') {
    const [specifier, parentURL] = args as [string, string | undefined];
    return answerResolve(specifier, parentURL, answers);
  }
  return method === 'load'
    ? answerLoad(args[0] as string, args[1] as LoadContext, answers)
    : undefined;
}

function answerResolve(
  specifier: string,
  parentURL: string | undefined,
  answers: ImportAnswers,
): object | undefined {
  if (Module.isBuiltin(specifier)) {
    const url = specifier.startsWith('node:') ? specifier : `node:${specifier}`;
    return { url, format: 'builtin' };
  }
  const found = answers.resolve(specifier, parentURL);
  return found === undefined || 'absent' in found
    ? undefined
    : { url: found.url, format: found.format };
}

function answerLoad(
  url: string,
  context: LoadContext,
  answers: ImportAnswers,
): (LoadResult & { responseURL: string }) | undefined {
  if (url.startsWith('node:') && !hasAttributes(context))
    return { format: 'builtin', responseURL: url, source: null };
  const found = answers.load(url);
  // An import without the right attributes is refused by Node.js in its own words.
  const isJson = context.importAttributes?.['type'] === 'json';
  if (found === undefined || (found.format === 'json') !== isJson) return undefined;
  if (!isJson && hasAttributes(context)) return undefined;
  const { image } = answers.lookup;
  const { entry, format } = found;
  return {
    format: format === 'commonjs' ? commonjsFormatOffThread : format,
    responseURL: url,
    source: offThreadSource(image, entry, format),
  };
}
