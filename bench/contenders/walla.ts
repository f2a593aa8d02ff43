import { existsSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { ClusterNode } from '../../test/cluster/cluster.ts';
import { type Contender, failure, type Job, onEach, PROBE_HERE, type Site } from './contender.ts';

const STAGED = ['--import', 'walla/stage'];
const REMOVE_IMAGES = 'rm -rf /dev/shm/walla-*';

/** All of it in the job's time: rank 0 packs, and keeps the archive beside the program. */
export const onTheFly: Contender = {
  name: 'walla on the fly',
  isolates:
    'walla with nothing done ahead: rank 0 alone finds and packs what the program needs, while the others wait',
  prepare: (site) => Promise.resolve(staged(site)),
  before: (_nodes, { application }) => {
    const kept = join(application, '.walla');
    for (const name of existsSync(kept) ? readdirSync(kept) : [])
      rmSync(join(kept, name), { recursive: true });
    return Promise.resolve();
  },
  after: (nodes) => onEach(nodes, REMOVE_IMAGES),
};

/** The usual way. */
export const packed: Contender = {
  name: 'walla packed',
  isolates:
    'walla with an archive made ahead: rank 0 compares it with the tree, MPI brings it to the nodes',
  prepare: (site) => Promise.resolve(pack(site) ?? staged(site, archiveOf(site))),
  after: (nodes) => onEach(nodes, REMOVE_IMAGES),
};

/** With what V8 compiled in a run. */
export const codeCache: Contender = {
  name: 'walla code cache',
  isolates:
    "walla packed with --code-cache, code of a run in place of code of each module alone (Node.js 22 and later): a larger archive, and less of every rank's processor time",
  prepare: (site) => {
    if (site.node.major < 22) return Promise.resolve('it needs Node.js 22 or later');
    const archive = join(site.shared, 'code-cache.walla');
    return Promise.resolve(pack(site, archive, '--code-cache') ?? staged(site, archive));
  },
  after: (nodes) => onEach(nodes, REMOVE_IMAGES),
};

/** Image and walla itself are on the nodes before the job begins. */
export const prestaged: Contender = {
  name: 'walla prestaged',
  isolates:
    'walla stage before the job, as walla run does it: what is left is the comparison with the tree, and Node.js finding the program',
  prepare: (site) => Promise.resolve(pack(site) ?? staged(site, archiveOf(site))),
  before: async (nodes, site, job) => {
    const words = ['stage', '--json', archiveOf(site)];
    const result = await site.cluster.mpirun([site.node.path, cliOf(site), ...words], {
      slots: onlyOn(site, nodes),
      cwd: job.cwd,
      timeoutMs: 300_000,
    });
    if (result.code !== 0) throw new Error(result.stderr);
    const said = JSON.parse(result.stdout) as { import: string };
    job.command.splice(1, STAGED.length, '--import', said.import);
  },
  after: (nodes) => onEach(nodes, REMOVE_IMAGES),
};

function onlyOn({ cluster }: Site, nodes: readonly ClusterNode[]): number[] {
  return cluster.nodes.map((node) => (nodes.includes(node) ? 1 : 0));
}

function cliOf({ application }: Site): string {
  return join(application, 'node_modules/walla/dist/cli.js');
}

function archiveOf({ shared }: Site): string {
  return join(shared, 'application.walla');
}

function staged({ node, entry, application }: Site, archive?: string): Job {
  return {
    command: [node.path, ...STAGED, PROBE_HERE, entry],
    cwd: application,
    env: {
      // The time of each phase.
      WALLA_VERBOSE: '1',
      ...(archive !== undefined && { WALLA_ARCHIVE: archive }),
    },
  };
}

function pack(site: Site, archive = archiveOf(site), ...flags: string[]): string | undefined {
  const words = [cliOf(site), 'pack', '--quiet', ...flags, '-o', archive, site.entry];
  return failure(site.node.path, words, { cwd: site.application });
}
