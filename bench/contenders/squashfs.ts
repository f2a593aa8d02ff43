import { basename, join } from 'node:path';
import { isInPath } from '../../test/cluster/requirements.ts';
import { type Contender, failure, onEach, PROBE_HERE } from './contender.ts';

const TARGET = '/run/squashfs';

/** The first rank of a node mounts, the others wait for the mount. Then plain Node.js. */
const MOUNT = `
if [ "$OMPI_COMM_WORLD_LOCAL_RANK" = 0 ]; then mkdir -p ${TARGET} && squashfuse_ll "$1" ${TARGET} || exit 1; fi
until [ -e "${TARGET}/package.json" ]; do sleep 0.01; done
cd ${TARGET} && shift && exec "$@"
`;

/** An image of the tree on the shared file system, mounted on every node. */
export const squashfs: Contender = {
  name: 'squashfs',
  isolates:
    'an image mounted on every node (containers do this): few large reads, made by every node, and a file system in user space; changed paths',
  prepare: ({ node, entry, application, shared }) => {
    const image = join(shared, 'application.squashfs');
    if (!isInPath('squashfuse_ll'))
      return Promise.resolve('there is no squashfuse_ll here (Debian package squashfuse)');
    const words = [
      application,
      image,
      '-quiet',
      '-no-progress',
      '-comp',
      'lz4',
      '-e',
      'node_modules/walla',
    ];
    const why = failure('mksquashfs', words);
    if (why !== undefined) return Promise.resolve(why);
    const mount = ['sh', '-c', MOUNT, 'squashfs', image];
    return Promise.resolve({
      command: [...mount, node.path, PROBE_HERE, basename(entry)],
      cwd: application,
    });
  },
  after: (nodes) =>
    onEach(nodes, `while mountpoint -q ${TARGET}; do umount ${TARGET} || sleep 0.05; done`),
};
