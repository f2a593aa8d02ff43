import { Worker } from 'node:worker_threads';
import { WallaError } from '../errors.ts';
import { ruleFlags, userConditions } from '../resolution-rules.ts';

export type Kind = 'import' | 'require';

export interface Question {
  kind: Kind;
  /** Absolute path of the importing file. */
  parent: string;
  specifier: string;
  /** Absolute directory: an answer outside of it is none of the archive's business. */
  within?: string;
}

/** The error of Node.js for a name that leads nowhere. */
export interface AbsentError {
  name: string;
  code?: string;
  message: string;
  url?: string;
  /** Of a package that names a file which is not there. */
  path?: string;
  requestPath?: string;
}

/** What Node.js answers; null where there is nothing to record (data: URLs, required builtins). */
export type Answer =
  | { file: string; suffix: string; builtin?: undefined; absent?: undefined }
  | { builtin: string; file?: undefined; absent?: undefined }
  | { absent: AbsentError; file?: undefined; builtin?: undefined }
  | null;

export interface ResolverOptions {
  conditions: string[];
  preserveSymlinks: boolean;
  /** Yarn's Plug'n'Play runtime to ask instead of Node.js alone, and its loader for imports. */
  pnp?: { runtime: string; loader: string | undefined } | undefined;
}

/** Puts questions to Node.js, in a worker (see resolver-worker.mjs). Close it when done. */
export class Resolver {
  readonly #worker: Worker;
  readonly #waiting = new Map<
    number,
    { resolve: (answers: Answer[]) => void; reject: (error: unknown) => void }
  >();
  #next = 0;
  #failure: unknown;

  constructor({ conditions, preserveSymlinks, pnp }: ResolverOptions) {
    this.#worker = new Worker(new URL('./resolver-worker.mjs', import.meta.url), {
      execArgv: [
        '--experimental-import-meta-resolve',
        '--no-warnings',
        ...ruleFlags(),
        ...userConditions(conditions).map((condition) => `--conditions=${condition}`),
        ...(preserveSymlinks ? ['--preserve-symlinks'] : []),
      ],
      workerData: { pnp, conditions: userConditions(conditions) },
      // Preloads and conditions of NODE_OPTIONS must not reach it: conditions were passed above.
      env: { ...process.env, NODE_OPTIONS: '' },
    });
    this.#worker.on('message', ({ id, answers }: { id: number; answers: Answer[] }) => {
      this.#waiting.get(id)?.resolve(answers);
      this.#waiting.delete(id);
    });
    this.#worker.on('error', (error) => this.#fail(error));
    this.#worker.on('exit', () => this.#fail(new Error('the resolver ended early')));
  }

  /** Answers come in the order of the questions. */
  ask(questions: Question[]): Promise<Answer[]> {
    const id = this.#next++;
    return new Promise((resolve, reject) => {
      if (this.#failure !== undefined) {
        reject(WallaError.from(this.#failure, 'ERR_WALLA_PACK'));
        return;
      }
      this.#waiting.set(id, { resolve, reject });
      const requests = questions.map(({ kind, parent, specifier }) => [kind, parent, specifier]);
      this.#worker.postMessage({ id, requests });
    });
  }

  async close(): Promise<void> {
    await this.#worker.terminate();
  }

  #fail(error: unknown): void {
    this.#failure ??= error;
    for (const { reject } of this.#waiting.values()) {
      reject(WallaError.from(this.#failure, 'ERR_WALLA_PACK'));
    }
    this.#waiting.clear();
  }
}
