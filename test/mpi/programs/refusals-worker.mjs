// A worker thread that uses MPI.
import { register } from 'tsx/esm/api';

register();
const { world } = await import('../../../native/mpi.ts');
try {
  world.barrier();
} catch (error) {
  console.log(`${error.code}: ${error.message}`);
}
