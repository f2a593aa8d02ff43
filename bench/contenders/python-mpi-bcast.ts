import { existsSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { packageRoot } from '../../test/run-node.ts';
import { applicationTar } from './application-tar.ts';
import { type Contender, failure, onEach, PROBE_HERE } from './contender.ts';

const REPOSITORY = 'https://github.com/rainwoodman/python-mpi-bcast';
const COMMIT = '962c724b7b22bd914c5552991fdd3d8c8caddf08';
const TARGET = '/dev/shm/python-mpi-bcast';

/** Its program `bcast`, built from its repository, brings the tree to every node; then plain Node.js there. */
export const pythonMpiBcast: Contender = {
  name: 'python-mpi-bcast',
  isolates:
    'the steps of tar broadcast by the program that HPC sites use for Python: a second copy of the tar file on the node while it is unpacked, and ranks that wait without sleeping',
  prepare: (site) => {
    const { node, application, local } = site;
    const program = join(local, 'bcast');
    const source = join(packageRoot, `.cache/bench/python-mpi-bcast-${COMMIT.slice(0, 7)}`);
    const why = (existsSync(source) ? undefined : clone(source)) ?? build(source, program);
    if (why !== undefined) return Promise.resolve(why);
    const tar = applicationTar(site);
    if (typeof tar === 'string') return Promise.resolve(tar);
    const script = 'to=$1 tar=$2; shift 2; "$0" -p "$to" "$tar" && exec "$@"';
    return Promise.resolve({
      command: [
        ...['sh', '-c', script, program, TARGET, tar.archive],
        ...[node.path, PROBE_HERE, join(TARGET, tar.entry)],
      ],
      cwd: application,
    });
  },
  after: (nodes) => onEach(nodes, `rm -rf ${TARGET}`),
};

/** Kept for the next time. */
function clone(source: string): string | undefined {
  const unfinished = `${source}.new`;
  rmSync(unfinished, { recursive: true, force: true });
  const why =
    failure('git', ['clone', '--quiet', REPOSITORY, unfinished]) ??
    failure('git', ['-C', unfinished, 'checkout', '--quiet', COMMIT]);
  if (why === undefined) renameSync(unfinished, source);
  else rmSync(unfinished, { recursive: true, force: true });
  return why;
}

/** As its Makefile does, with the system's libarchive (Debian: libarchive-dev) for the one of 2013 that it downloads. */
function build(source: string, program: string): string | undefined {
  return failure(
    'mpicc.openmpi',
    ['-g', '-O0', '-w', '-o', program, 'bcast.c', 'bcast-tar.c', '-larchive'],
    { cwd: source },
  );
}
