/** Rank 0 works for a second while the others wait, twice; they say how much of it they computed. */
import { world } from '../../../native/mpi.ts';

for (const patient of [true, false]) {
  world.barrier();
  const wallStart = process.hrtime.bigint();
  const cpuStart = process.cpuUsage();
  if (world.rank === 0) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1000);
  world.barrier({ patient });
  world.allreduce(1, 'sum', { patient });
  const { user, system } = process.cpuUsage(cpuStart);
  const wallMicroseconds = Number(process.hrtime.bigint() - wallStart) / 1000;
  const how = patient ? 'patient' : 'usual';
  if (world.rank !== 0) console.log(`${how}: cpu share ${(user + system) / wallMicroseconds}`);
}
