/** Where images would go on this node, and how much fits. */
import { existsSync } from 'node:fs';
import { loadAddon } from '../../native/load-addon.ts';
import { formatBytes } from '../format-bytes.ts';
import { memoryRoom } from '../memory-limit.ts';
import { given } from '../options.ts';
import { baseCandidates, chooseBase, chooseExecutableBase } from '../staging-base.ts';
import { StagingDirectory } from '../staging-directory.ts';
import { type Check, stopped, type Subject } from './check.ts';
import { fileSystemOf } from './file-system.ts';

const MEMORY = ['tmpfs', 'ramfs'];

/** @param neededBytes size of the archive, if there is one */
export function checkStagingDirectory({ env }: Subject, neededBytes: number | undefined): Check {
  const name = 'staging directory';
  try {
    const candidates = baseCandidates(env, given(env['WALLA_DIR']));
    const base = chooseBase(candidates);
    const { type, shared, freeBytes, totalBytes } = fileSystemOf(base);
    const natives = chooseExecutableBase([base, ...candidates]);
    const images = imagesIn(base);
    const data = { base, type, freeBytes, totalBytes, natives, images: images.length };
    const elsewhere = natives === base ? '' : `; mounted noexec, so native addons go to ${natives}`;
    const there = images.length === 0 ? '' : `; ${images.length} images of yours are there`;
    const found = `${base} is ${type}, ${formatBytes(freeBytes)} of ${formatBytes(totalBytes)} free${elsewhere}${there}`;
    if (neededBytes !== undefined && freeBytes < neededBytes)
      return {
        name,
        status: 'stops',
        found: `${found}; the archive needs ${formatBytes(neededBytes)}`,
        hint: 'walla clean, or set WALLA_DIR to a larger node-local directory',
        data,
      };
    if (shared || !MEMORY.includes(type))
      return {
        name,
        status: 'warns',
        found: `${found}: ${shared ? 'its server is another machine' : 'it is no memory'}`,
        hint: 'mount a tmpfs on /dev/shm, or set WALLA_DIR to one',
        data,
      };
    return { name, status: 'ok', found, data };
  } catch (error) {
    return stopped(name, error);
  }
}

/** @throws where another user's directory stands in the way */
function imagesIn(base: string): string[] {
  const { path } = new StagingDirectory(base);
  if (!existsSync(path)) return [];
  const addon = loadAddon();
  const fd = addon.openPrivateDirectory(path, false);
  try {
    return addon.listDirectory(fd).filter((name) => !name.startsWith('.'));
  } finally {
    addon.close(fd);
  }
}

/** @param neededBytes size of the archive, if there is one */
export function checkMemoryLimit(neededBytes: number | undefined, room = memoryRoom()): Check {
  const name = 'memory limit';
  if (!room) return { name, status: 'ok', found: 'no control group limits memory', data: {} };
  const { group, limitBytes, usedBytes, freeBytes } = room;
  const found = `${group} leaves ${formatBytes(freeBytes)} of ${formatBytes(limitBytes)}`;
  const data = { group, limitBytes, usedBytes, freeBytes };
  if (neededBytes === undefined || freeBytes >= neededBytes)
    return { name, status: 'ok', found, data };
  return {
    name,
    status: 'stops',
    found: `${found}; the archive needs ${formatBytes(neededBytes)}, and memory files count`,
    hint: 'give the job more memory per node, or set WALLA_DIR to a node-local disk',
    data,
  };
}
