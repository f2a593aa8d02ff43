/** Rank 0 works for a second while the others wait patiently; they say how much of it they computed. */
import { world } from '../../../native/mpi.ts';

world.barrier();
const wallStart = process.hrtime.bigint();
const cpuStart = process.cpuUsage();
if (world.rank === 0) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1000);
world.barrier({ patient: true });
world.allreduce(1, 'sum', { patient: true });
const { user, system } = process.cpuUsage(cpuStart);
const wallMicroseconds = Number(process.hrtime.bigint() - wallStart) / 1000;
if (world.rank !== 0) console.log(`cpu share ${(user + system) / wallMicroseconds}`);
