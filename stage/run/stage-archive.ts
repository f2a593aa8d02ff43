import { Communicator } from '../../native/communicator.ts';
import { openStagingMpi } from '../../native/world.ts';
import { readOptions } from '../options.ts';
import type { OnBytes } from '../transport/transport.ts';
import { prestage, type Prestaged } from './prestage.ts';

/**
 * Places an archive and a copy of walla on the nodes of the processes that the launcher has started. Collective over them.
 * @param onBytes told on rank 0 how far the transfer is
 * @returns on rank 0; undefined elsewhere
 * @throws AgreedError on every rank alike
 */
export function stageArchive(
  archive: string,
  retain: 'keep' | 'lease',
  onBytes?: OnBytes,
): Prestaged | undefined {
  // Here nothing can run unstaged: that is for the program's own ranks.
  delete process.env['WALLA_ON_ERROR'];
  const { world } = openStagingMpi();
  return prestage(
    new Communicator(world),
    () => ({ ...readOptions(process.env), archive, onBytes }),
    retain,
  );
}
