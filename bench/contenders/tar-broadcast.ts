import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Contender, failure, onEach, PROBE_HERE } from './contender.ts';

const source = fileURLToPath(new URL('tar_broadcast.cpp', import.meta.url));
const WITHOUT_WALLA = 'node_modules/walla';
const TARGET = '/dev/shm/tar-broadcast';

/** The whole installed tree as a tar file, to every node's memory by MPI, then plain Node.js there. */
export const tarBroadcast: Contender = {
  name: 'tar broadcast',
  isolates:
    'what sbcast and python-mpi-bcast do: one reader, but the whole tree in memory on every node, unpacked file by file, under changed paths',
  prepare: ({ node, entry, application, shared, local }) => {
    const program = join(local, 'tar_broadcast');
    const archive = join(shared, 'application.tar');
    const why =
      failure('mpicxx.openmpi', [
        ...['-std=c++17', '-O2', '-Wall', '-Wextra', '-Werror', '-DOMPI_SKIP_MPICXX'],
        ...['-o', program, source],
      ]) ??
      failure('tar', [
        '-cf',
        archive,
        `--exclude=${WITHOUT_WALLA}`,
        '-C',
        dirname(application),
        basename(application),
      ]);
    if (why !== undefined) return Promise.resolve(why);
    const unpacked = join(TARGET, basename(application), basename(entry));
    const command = [program, archive, TARGET, node.path, PROBE_HERE, unpacked];
    return Promise.resolve({ command, cwd: application });
  },
  after: (nodes) => onEach(nodes, `rm -rf ${TARGET}`),
};
