import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { applicationTar } from './application-tar.ts';
import { type Contender, failure, onEach, PROBE_HERE } from './contender.ts';

const source = fileURLToPath(new URL('tar_broadcast.cpp', import.meta.url));
const TARGET = '/dev/shm/tar-broadcast';

/** The whole installed tree as a tar file, to every node's memory by MPI, then plain Node.js there. */
export const tarBroadcast: Contender = {
  name: 'tar broadcast',
  isolates:
    'what sbcast does: one reader, but the whole tree in memory on every node, unpacked file by file, under changed paths',
  prepare: (site) => {
    const { node, application, local } = site;
    const program = join(local, 'tar_broadcast');
    const why = failure('mpicxx.openmpi', [
      ...['-std=c++17', '-O2', '-Wall', '-Wextra', '-Werror', '-DOMPI_SKIP_MPICXX'],
      ...['-o', program, source],
    ]);
    if (why !== undefined) return Promise.resolve(why);
    const tar = applicationTar(site);
    if (typeof tar === 'string') return Promise.resolve(tar);
    const unpacked = join(TARGET, tar.entry);
    const command = [program, tar.archive, TARGET, node.path, PROBE_HERE, unpacked];
    return Promise.resolve({ command, cwd: application });
  },
  after: (nodes) => onEach(nodes, `rm -rf ${TARGET}`),
};
