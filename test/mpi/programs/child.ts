/** A child process of a rank: inherits the launcher's variables, but is no rank. */
import { world } from '../../../native/mpi.ts';

process.exit(world.size === 1 && world.rank === 0 ? 6 : 9);
