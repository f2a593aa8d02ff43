/**
 * The ranks that stage together. Every phase ends with one outcome on all of them: either each rank
 * has its result, or each rank throws the same error, which names the rank where it began.
 */
import { hostname } from 'node:os';
import type { Communicator } from '../native/communicator.ts';
import { WallaError, type WallaErrorCode } from './errors.ts';

interface Failure {
  code: WallaErrorCode;
  message: string;
  hint: string;
  rank: number;
  host: string;
  alike: number;
}

/** A failure that all ranks know of. */
export class AgreedError extends WallaError {
  /** On how many ranks the phase failed. */
  readonly alike: number;

  constructor({ code, message, hint, rank, host, alike }: Failure, size: number) {
    super(code, message, size > 1 ? { hint, rank, host } : { hint });
    this.alike = alike;
  }
}

export interface PhaseTime {
  phase: string;
  ms: number;
}

export class Job {
  readonly world: Communicator;
  readonly times: PhaseTime[] = [];

  constructor(world: Communicator) {
    this.world = world;
  }

  /**
   * Runs one phase on this rank and agrees on its outcome. Collective over the world.
   * @param patient the phase may take long on some ranks: the others sleep rather than spin
   * @throws AgreedError on every rank when it failed on any
   */
  phase<T>(phase: string, work: () => T, patient = false): T {
    const start = performance.now();
    let result: { value: T } | undefined;
    let error: WallaError | undefined;
    try {
      result = { value: work() };
    } catch (thrown) {
      error = WallaError.from(thrown);
    }
    this.#agree(error, patient);
    this.times.push({ phase, ms: performance.now() - start });
    if (result === undefined)
      throw error ?? new WallaError('ERR_WALLA_INTERNAL', `phase ${phase} has no result`);
    return result.value;
  }

  #agree(error: WallaError | undefined, patient: boolean): void {
    const { world } = this;
    if (patient) world.barrier({ patient: true });
    // One reduction decides both whether anybody failed and who was first: the minimum of the
    // failing ranks, where success counts as `size`.
    const first = new Float64Array([error ? world.rank : world.size]);
    world.allreduce(first, 'min');
    const origin = first[0] ?? world.size;
    if (origin >= world.size) return;
    const failed = new Float64Array([error ? 1 : 0]);
    world.allreduce(failed, 'sum');
    const mine: Failure | undefined = error && {
      code: error.code,
      message: error.message,
      hint: error.hint,
      rank: world.rank,
      host: hostname(),
      alike: failed[0] ?? 1,
    };
    throw new AgreedError(world.bcastJson(mine, origin) as Failure, world.size);
  }
}
