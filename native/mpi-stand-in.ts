/**
 * What stands in for an addon for MPI that cannot be loaded on this rank: the native core takes part in MPI as far as
 * to tell the other ranks, which wait in MPI_Init, that this one has failed.
 */
import type { MpiAbi } from './launcher.ts';
import { loadAddon } from './load-addon.ts';
import type { MpiAddon, NativeCommunicator } from './mpi-addon.ts';

/** What the first agreement of staging takes. */
export type StandInCommunicator = Pick<
  NativeCommunicator,
  'rank' | 'size' | 'agree' | 'allreduce' | 'bcast'
>;

/** `world` makes the communicator of the node too, as the other ranks do. */
export type MpiStandIn = Pick<MpiAddon, 'initialize' | 'watch' | 'isServerGone' | 'failQuietly'> & {
  world(): StandInCommunicator;
};

/**
 * @returns undefined where there is nothing to stand in with: no native core, or no library of this MPI
 */
export function standInForMpi(abi: MpiAbi): MpiAddon | undefined {
  try {
    const standIn = loadAddon().loadMpiStandIn(abi);
    if (!standIn) return undefined;
    const world = (): NativeCommunicator => {
      const comm = standIn.world() as NativeCommunicator;
      comm.splitByNode = () => comm;
      return comm;
    };
    // The ranks fail together before anybody asks for more.
    return { ...standIn, world } as MpiAddon;
  } catch {
    return undefined;
  }
}
