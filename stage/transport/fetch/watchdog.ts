/** Ends a request that brings nothing, or next to nothing, for too long. */
import { Interrupted } from './interrupted.ts';

/** A server that sends less than this is as good as silent. */
const SLOWEST_BYTES_PER_SECOND = 1024;

export class Watchdog {
  readonly #controller = new AbortController();
  readonly #timeoutMs: number;
  #timer: NodeJS.Timeout | undefined;
  #windowBytes = 0;

  constructor(timeoutMs: number) {
    this.#timeoutMs = timeoutMs;
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Why it ended the request, if it did. */
  get reason(): Interrupted | undefined {
    return this.signal.aborted ? (this.signal.reason as Interrupted) : undefined;
  }

  /** Gives the server the whole time anew for connection and headers. */
  expectHeaders(): void {
    this.stop();
    this.#timer = setTimeout(() => this.#bark('did not answer for'), this.#timeoutMs);
  }

  /** From now on enough bytes have to arrive in every window. */
  expectBody(): void {
    this.stop();
    this.#windowBytes = 0;
    const least = (SLOWEST_BYTES_PER_SECOND * this.#timeoutMs) / 1000;
    this.#timer = setInterval(() => {
      if (this.#windowBytes < least)
        this.#bark(this.#windowBytes === 0 ? 'sent nothing for' : 'sent next to nothing for');
      this.#windowBytes = 0;
    }, this.#timeoutMs);
  }

  arrived(bytes: number): void {
    this.#windowBytes += bytes;
  }

  stop(): void {
    clearTimeout(this.#timer);
  }

  #bark(what: string): void {
    this.stop();
    this.#controller.abort(new Interrupted(`the server ${what} ${this.#timeoutMs / 1000} s`));
  }
}
