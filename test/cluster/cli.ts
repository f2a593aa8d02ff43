/**
 * A cluster for people:
 *
 *   node --import tsx test/cluster/cli.ts up 4                    a shell on the login node
 *   node --import tsx test/cluster/cli.ts up 4 -- command ...     one command there
 *   node --import tsx test/cluster/cli.ts up 4 --shm 16m -- ...   with small /dev/shm
 *
 * On the login node mpirun.openmpi and mpirun.mpich reach the nodes by themselves:
 *
 *   node --import tsx test/cluster/cli.ts up 4 -- \
 *     sh -c 'mpirun.openmpi -n 8 --host nid001:2,nid002:2,nid003:2,nid004:2 hostname'
 *
 * and test/cluster/rsh.sh nid001 COMMAND runs something on one of them. Needs root. The cluster ends
 * with the command.
 */
import { parseArgs } from 'node:util';
import { Cluster } from './cluster.ts';

const usage = 'usage: cli.ts up NODES [--shm SIZE] [-- COMMAND...]';
const own = process.argv.slice(2);
const separator = own.indexOf('--');
const command = separator < 0 ? [] : own.splice(separator).slice(1);
const { values, positionals } = parseArgs({
  args: own,
  options: { shm: { type: 'string' } },
  allowPositionals: true,
});
const nodes = Number(positionals[1]);
if (positionals[0] !== 'up' || !(nodes >= 1 && nodes <= 250)) {
  console.error(usage);
  process.exit(2);
}
const reason = Cluster.unavailableReason({ mpi: 'none' });
if (reason !== undefined) {
  console.error(reason);
  process.exit(1);
}

const cluster = await Cluster.start({
  nodes,
  ...(values.shm === undefined ? {} : { shm: values.shm }),
});
const child = cluster.spawn(command.length > 0 ? command : ['bash', '-i'], {}, 'inherit');
// An interrupt reaches the command from the terminal; this process has to outlive it to clean up.
process.on('SIGINT', () => undefined);
process.on('SIGTERM', () => child.kill('SIGTERM'));
const code = await new Promise<number>((resolve) =>
  child.once('close', (exitCode) => resolve(exitCode ?? 1)),
);
await cluster.stop();
process.exitCode = code;
