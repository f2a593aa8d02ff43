/**
 * Places an archive, and a copy of what ranks load of walla itself, on nodes ahead of a job. One process per node is
 * enough; more do no harm.
 */
import { closeSync } from 'node:fs';
import type { Communicator } from '../../native/communicator.ts';
import { Job } from '../job.ts';
import { locateForPlacing } from '../locate.ts';
import { withNodeLock } from '../node-lock.ts';
import {
  type ArchivePlan,
  archivePlan,
  place,
  type PlacedImage,
  type PlaceOptions,
  releaseImages,
} from '../place.ts';
import { baseCandidates } from '../staging-base.ts';
import { type HeldImage, StagingDirectory } from '../staging-directory.ts';
import { WALLA_VERSION } from '../version.ts';
import { placeCopy, readOwnFiles, shareOwnFiles } from './place-copy.ts';

/** The archive is named: nothing is looked for, and nothing packed. */
export interface ArchiveOptions extends PlaceOptions {
  archive: string;
}

export interface Prestaged {
  /** Path or URL, without credentials. */
  archive: string;
  /** SHA-256 of the archive's manifest: the image's name on the nodes. */
  identity: string;
  bytes: number;
  nodes: number;
  /** How many of them did not have the image. */
  received: number;
  /** Directories of the copies of walla; mostly one path for all nodes. */
  copies: string[];
  ms: number;
}

/**
 * Collective over `world`.
 * @param retain whether it stays until `walla clean`, or until the job that comes next
 * @returns on rank 0; undefined elsewhere
 * @throws AgreedError on every rank alike
 */
export function prestage(
  world: Communicator,
  readArchiveOptions: () => ArchiveOptions,
  retain: 'keep' | 'lease',
): Prestaged | undefined {
  const start = performance.now();
  const job = new Job(world);
  const options = job.phase('boot', readArchiveOptions);
  job.compare({ walla: WALLA_VERSION, archive: options.archive, retain });
  const work = () => placeAll(job, options, retain);
  const done = world.size > 1 ? work() : withNodeLock(options, work);
  job.end();
  return done && { ...done, ms: performance.now() - start };
}

function placeAll(
  job: Job,
  options: ArchiveOptions,
  retain: 'keep' | 'lease',
): Omit<Prestaged, 'ms'> | undefined {
  const { world } = job;
  const isRoot = world.rank === 0;
  const { plan, placed } = placeArchive(job, options);
  const held: (HeldImage | undefined)[] = [placed.image, placed.natives];
  try {
    const isLeader = leadsNode(world);
    const read = job.phase('read', () => (isRoot ? readOwnFiles() : undefined));
    const own = shareOwnFiles(world, read);
    const copy = job.phase('copy', () =>
      isLeader ? placeCopy(own, baseCandidates(process.env, options.directory)) : undefined,
    );
    held.push(copy);
    job.phase('retain', () => {
      for (const image of held) if (image) StagingDirectory.of(image).retain(image, retain);
    });
    const mine: NodeResult = { copy: copy?.path, received: placed.receivedBytes > 0 };
    const all = world.gatherJson(mine, 0) as NodeResult[] | undefined;
    if (all === undefined) return undefined;
    const nodes = all.filter((node) => node.copy !== undefined);
    return {
      archive: plan.path,
      identity: plan.identity,
      bytes: plan.bytes,
      nodes: nodes.length,
      received: nodes.filter(({ received }) => received).length,
      copies: [...new Set(nodes.map((node) => node.copy ?? ''))],
    };
  } finally {
    releaseImages(held);
  }
}

interface NodeResult {
  /** Undefined from processes that lead no node. */
  copy?: string | undefined;
  received: boolean;
}

function placeArchive(
  job: Job,
  options: ArchiveOptions,
): { plan: ArchivePlan; placed: PlacedImage } {
  const { world } = job;
  const archive = job.phase('locate', () =>
    world.rank === 0 ? locateForPlacing(options.archive, options) : undefined,
  );
  try {
    const plan = world.bcastJson(archive && archivePlan(archive, options), 0) as ArchivePlan;
    return { plan, placed: place(job, plan, archive, options) };
  } finally {
    if (archive) closeSync(archive.fd);
  }
}

/** Collective. */
function leadsNode(world: Communicator): boolean {
  const node = world.splitByNode();
  try {
    return node.rank === 0;
  } finally {
    node.free();
  }
}
