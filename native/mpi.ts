/**
 * `walla/mpi`: the ranks of this job, for programs. Importing it starts nothing; the first use of
 * `world` or `node` initializes MPI, unless staging has, and is collective. Without a launcher, or
 * with WALLA_MPI=off, there is one rank and no MPI.
 *
 * @module walla/mpi
 */

import { Communicator } from './communicator.ts';
import { openMpi, releaseMpi } from './world.ts';

export { Communicator } from './communicator.ts';
export type { BroadcastFileOptions, ReduceOp, WaitOptions } from './communicator.ts';

/** The ranks on this compute node, in world order. */
export const node: Communicator = new Communicator(() => openMpi().node);

/** All ranks of the job. */
class World extends Communicator {
  constructor() {
    super(() => openMpi().world);
  }

  /** Rank among the ranks of this compute node. */
  get nodeRank(): number {
    return node.rank;
  }

  /** Number of ranks on this compute node. */
  get nodeSize(): number {
    return node.size;
  }

  /** The ranks on this compute node. */
  get node(): Communicator {
    return node;
  }
}

export type { World };

export const world: World = new World();

/** What the MPI in use says it is, e.g. 'Open MPI v4.1.4, ...'; undefined if none is. Collective at first use. */
export function library(): string | undefined {
  return openMpi().environment?.library;
}

/**
 * Ends MPI now instead of at exit; collective. Ranks and sizes stay readable, everything else throws.
 * MPI cannot come back in this process. Does nothing if another library initialized MPI.
 */
export function release(): void {
  releaseMpi();
}
