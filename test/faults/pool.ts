/** Things that one test at a time may use. */
export class Pool<T> {
  readonly all: readonly T[];
  readonly #free: T[];
  readonly #waiting: ((item: T) => void)[] = [];

  constructor(items: T[]) {
    this.all = items;
    this.#free = [...items];
  }

  async use<R>(action: (item: T) => Promise<R>): Promise<R> {
    const item =
      this.#free.pop() ?? (await new Promise<T>((resolve) => this.#waiting.push(resolve)));
    try {
      return await action(item);
    } finally {
      const next = this.#waiting.shift();
      if (next) next(item);
      else this.#free.push(item);
    }
  }
}
