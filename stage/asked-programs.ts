/** Which programs the ranks of a job run: mostly one, and different ones in an MPMD job. */
import { hostname } from 'node:os';
import type { Communicator } from '../native/communicator.ts';
import type { WallaError } from './errors.ts';

/** A program file, and who runs it. */
export interface AskedProgram {
  given: string;
  /** The lowest rank that runs it. */
  rank: number;
  host: string;
  /** How many do. */
  ranks: number;
}

/**
 * The program files of all ranks, without repetition, on the root; its own alone elsewhere. Collective over `world`.
 * Mostly all ranks run one program: then it costs one broadcast and one reduction.
 * @param given argv[1] of this rank
 */
export function distinctPrograms(world: Communicator, given: string | undefined): AskedProgram[] {
  const host = hostname();
  if (world.size === 1) return given === undefined ? [] : [{ given, rank: 0, host, ranks: 1 }];
  const rootGiven = world.bcastJson(given ?? null, 0) as string | null;
  const different = new Float64Array([rootGiven === (given ?? null) ? 0 : 1]);
  world.allreduce(different, 'sum');
  if (different[0] === 0)
    return given === undefined ? [] : [{ given, rank: 0, host, ranks: world.size }];
  const all = world.gatherJson({ given, host }, 0) ?? [];
  const programs = new Map<string, AskedProgram>();
  (all as { given?: string; host: string }[]).forEach(({ given, host }, rank) => {
    if (given === undefined) return;
    const known = programs.get(given);
    if (known) known.ranks++;
    else programs.set(given, { given, rank, host, ranks: 1 });
  });
  return [...programs.values()];
}

/** The root looks for all ranks: what is wrong with a program began on the ranks that run it. */
export function blameAsker(error: WallaError, programs: AskedProgram[]): WallaError {
  const asker = programs.find(({ given }) => given === error.program);
  if (!asker) return error;
  error.rank = asker.rank;
  error.host = asker.host;
  error.alike = asker.ranks;
  return error;
}
