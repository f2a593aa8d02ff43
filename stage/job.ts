/**
 * The ranks that stage together. Every phase ends with one outcome on all of them: either each rank
 * has its result, or each rank throws the same error, which names the rank where it began.
 */
import { hostname } from 'node:os';
import type { Communicator } from '../native/communicator.ts';
import { patienceMs, stagger, watchMpi } from '../native/world.ts';
import { WallaError, type WallaErrorCode } from './errors.ts';
import { faultAt } from './fault.ts';
import { type Settings, settingsDifference, settingsDigest } from './settings.ts';
import { processMs } from './process-clock.ts';

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
  constructor({ code, message, hint, rank, host, alike }: Failure, size: number) {
    super(code, message, size > 1 ? { hint, rank, host } : { hint });
    this.alike = alike;
  }
}

/** When a phase ran on this rank, in milliseconds since this process began. */
export interface PhaseTime {
  phase: string;
  /** The phase that it is a part of. */
  within?: string;
  startMs: number;
  /** What this rank itself took. */
  workMs: number;
  /** The same and the wait for the other ranks. */
  ms: number;
}

/** Runs a part of staging that is not collective, and adds its time to `times`. */
export function timed<T>(
  times: PhaseTime[],
  phase: Pick<PhaseTime, 'phase' | 'within'>,
  work: () => T,
): T {
  const startMs = processMs();
  const result = work();
  const ms = processMs() - startMs;
  times.push({ ...phase, startMs, workMs: ms, ms });
  return result;
}

/** How much longer than the ranks that wait in `agree` a rank may be in another call of MPI. */
const GRACE_MS = 12_000;

export class Job {
  readonly world: Communicator;
  readonly times: PhaseTime[];
  /** How long the ranks wait for each other at the end of a phase; 0: for ever. */
  readonly #timeoutMs = patienceMs(process.env);

  /** @param times what this rank has done before */
  constructor(world: Communicator, times: PhaseTime[] = []) {
    this.world = world;
    this.times = times;
  }

  /**
   * Runs one phase on this rank and agrees on its outcome. Collective over the world. Ranks that
   * are done sleep until the others are.
   * @throws AgreedError on every rank when it failed on any; WallaError ERR_WALLA_TIMEOUT on one rank
   *   when some do not come, after which the job can only be aborted
   */
  phase<T>(phase: string, work: () => T): T {
    const startMs = processMs();
    this.#watch(phase);
    let result: { value: T } | undefined;
    let error: WallaError | undefined;
    try {
      faultAt(phase);
      const value = work();
      faultAt(`${phase}.done`);
      result = { value };
    } catch (thrown) {
      error = WallaError.from(thrown);
    }
    const workMs = processMs() - startMs;
    this.#checkTime(phase, workMs);
    this.#agree(phase, error);
    this.times.push({ phase, startMs, workMs, ms: processMs() - startMs });
    if (result === undefined)
      throw error ?? new WallaError('ERR_WALLA_INTERNAL', `phase ${phase} has no result`);
    return result.value;
  }

  /**
   * Checks that all ranks were started alike. Collective over the world.
   * @throws AgreedError ERR_WALLA_DIVERGED that names the lowest rank that differs from rank 0
   */
  compare(mine: Settings): void {
    const digest = settingsDigest(mine);
    const [least, minusMost] = this.#least('settings', digest, -digest);
    if (least === -minusMost) return;
    const root = this.world.bcastJson(mine, 0) as Settings;
    this.phase('settings', () => {
      const difference = settingsDifference(mine, root);
      if (difference !== undefined) throw new WallaError('ERR_WALLA_DIVERGED', difference);
    });
  }

  /** The end of staging: nobody waits for anybody any more. */
  end(): void {
    if (this.#timeoutMs > 0) watchMpi(0, '');
  }

  #agree(phase: string, error: WallaError | undefined): void {
    const { world } = this;
    // One reduction decides both whether anybody failed and who was first: the minimum of the
    // failing ranks, where success counts as `size`.
    const [origin] = this.#least(phase, error ? world.rank : world.size, 0);
    if (origin >= world.size) return;
    const failed = new Float64Array([error ? 1 : 0]);
    world.allreduce(failed, 'sum');
    const mine: Failure | undefined = error && {
      code: error.code,
      message: error.message,
      hint: error.hint,
      // Rank 0 may have failed for what another rank asked of it.
      rank: error.rank ?? world.rank,
      host: error.host ?? hostname(),
      alike: Math.max(failed[0] ?? 1, error.alike),
    };
    throw new AgreedError(world.bcastJson(mine, origin) as Failure, world.size);
  }

  #least(phase: string, one: number, other: number): [number, number] {
    const values = new Float64Array([one, other]);
    try {
      this.world.agree(values, this.#timeoutMs);
    } catch (error) {
      const absent = (error as { cause?: { absent?: number[] } }).cause?.absent;
      throw absent ? timeout(phase, this.#timeoutMs, absent) : error;
    }
    return [values[0] ?? one, values[1] ?? other];
  }

  /**
   * The others have given this rank up. It may not go on: a rank that was stopped is woken by the launcher just
   * before it is ended, and would find that everybody has voted.
   */
  #checkTime(phase: string, tookMs: number): void {
    const timeoutMs = this.#timeoutMs;
    if (timeoutMs === 0 || this.world.size === 1 || tookMs <= timeoutMs) return;
    // The one that gave it up says so, and ends the job meanwhile.
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, GRACE_MS);
    throw new WallaError(
      'ERR_WALLA_TIMEOUT',
      `phase ${phase} took ${(tookMs / 1000).toFixed(0)} s here, longer than the ${timeoutMs / 1000} s that the others wait`,
    );
  }

  /** A blocking call inside a phase has no end of its own when another rank is stopped. */
  #watch(phase: string): void {
    const { world } = this;
    const timeoutMs = this.#timeoutMs;
    if (timeoutMs === 0 || world.size === 1) return;
    const error = new WallaError(
      'ERR_WALLA_TIMEOUT',
      `phase ${phase} has not ended after ${(timeoutMs + GRACE_MS) / 1000} s: another rank has stopped inside it`,
      { rank: world.rank, host: hostname() },
    );
    watchMpi(timeoutMs + GRACE_MS + stagger(world.rank), error.report());
  }
}

/** How many missing ranks a message lists. */
const LISTED_RANKS = 8;

function timeout(phase: string, timeoutMs: number, absent: number[]): WallaError {
  const listed = absent.slice(0, LISTED_RANKS).join(', ');
  const more = absent.length > LISTED_RANKS ? `, ... (${absent.length})` : '';
  return new WallaError(
    'ERR_WALLA_TIMEOUT',
    `phase ${phase}: waited ${timeoutMs / 1000} s for rank${absent.length > 1 ? 's' : ''} ${listed}${more}, and got no answer`,
  );
}
