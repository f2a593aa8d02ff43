/**
 * Puts a copy of what every rank loads of walla on this node, by the rules of images: a directory of this user alone,
 * named by the digest of what is in it, whole or absent, held by locks.
 */
import { closeSync, readFileSync, realpathSync, writeSync } from 'node:fs';
import type { WallaAddon } from '../../native/addon.ts';
import { addonFile, packageDirectory } from '../../native/addon-path.ts';
import type { Communicator } from '../../native/communicator.ts';
import { loadAddon } from '../../native/load-addon.ts';
import { WallaError } from '../errors.ts';
import { chooseExecutableBase } from '../staging-base.ts';
import { type HeldImage, StagingDirectory } from '../staging-directory.ts';

/** What a rank, its workers and its children load; the packer and the downloader stay where walla is installed. */
const NEEDED = ['dist/stage.cjs', 'dist/hooks-thread.mjs', 'dist/report.cjs', addonFile('walla')];
/** There if this walla was built for that MPI. */
const WHERE_BUILT = [addonFile('mpi-openmpi'), addonFile('mpi-mpich')];

export interface OwnFiles {
  /** Name of the copy's directory. */
  name: string;
  files: { path: string; content: Buffer }[];
}

/**
 * Reads the files on the root, once for all nodes. Collective over `world`.
 * @param read on the root: the files; elsewhere undefined
 */
export function shareOwnFiles(world: Communicator, read: OwnFiles | undefined): OwnFiles {
  const list = world.bcastJson(
    read && { name: read.name, files: read.files.map((file) => [file.path, file.content.length]) },
    0,
  ) as { name: string; files: [path: string, bytes: number][] };
  const files = list.files.map(([path, bytes], index) => ({
    path,
    content: world.bcast(read?.files[index]?.content ?? Buffer.alloc(bytes), 0),
  }));
  return { name: list.name, files };
}

/** @throws WallaError ERR_WALLA_NATIVE when this walla is not whole */
export function readOwnFiles(): OwnFiles {
  const files = NEEDED.map((path) => ({ path, content: readOwn(path) }));
  for (const path of WHERE_BUILT) {
    try {
      files.push({ path, content: readFileSync(`${packageDirectory()}/${path}`) });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    }
  }
  return { name: `walla-${digestOf(files)}`, files };
}

function readOwn(path: string): Buffer {
  try {
    return readFileSync(`${packageDirectory()}/${path}`);
  } catch (error) {
    const { message } = error as Error;
    throw new WallaError('ERR_WALLA_NATIVE', `walla is not whole: ${message}`, { cause: error });
  }
}

function digestOf(files: OwnFiles['files']): string {
  const { sha256 } = loadAddon();
  return sha256(
    Buffer.from(files.map(({ path, content }) => `${path} ${sha256(content)}\n`).join('')),
  );
}

/**
 * Places the copy, or takes hold of one that is there and has the same bytes. Not collective.
 * @param candidates bases, the preferred one first
 * @throws WallaError
 */
export function placeCopy(own: OwnFiles, candidates: readonly string[]): HeldImage {
  // Addons are mapped from it. Its path is checked part by part where it is used, so without links.
  const directory = new StagingDirectory(realpathSync(chooseExecutableBase(candidates)));
  const there = directory.hold(own.name, true);
  if (there) {
    if (isWhole(there, own)) return there;
    directory.release(there);
    throw new WallaError(
      'ERR_WALLA_STAGING_DIRECTORY',
      `${there.path} does not hold the bytes its name says`,
      { hint: 'remove it: walla clean' },
    );
  }
  const placement = directory.begin(own.name, 0);
  try {
    for (const { path, content } of own.files)
      inDirectory(placement.directoryFd, path, true, (addon, fd, name) => {
        write(addon.openPrivateFileAt(fd, name, 'create'), content);
      });
  } catch (error) {
    directory.abandon(placement);
    throw error;
  }
  return directory.publish(placement, own.name, false);
}

function isWhole(held: HeldImage, own: OwnFiles): boolean {
  const read = own.files.map(({ path, content }) =>
    inDirectory(held.directoryFd, path, false, (addon, directoryFd, name) => {
      const fd = addon.openPrivateFileAt(directoryFd, name, 'read');
      if (fd < 0) return false;
      try {
        return content.equals(readFileSync(fd));
      } finally {
        closeSync(fd);
      }
    }),
  );
  return read.every(Boolean);
}

/** Runs `action` with the directory of a file, opened step by step: through no link, and nobody else's. */
function inDirectory<T>(
  topFd: number,
  path: string,
  create: boolean,
  action: (addon: WallaAddon, directoryFd: number, name: string) => T,
): T {
  const addon = loadAddon();
  const parts = path.split('/');
  const name = parts.pop() ?? '';
  const opened: number[] = [];
  try {
    for (const part of parts)
      opened.push(addon.openPrivateDirectoryAt(opened.at(-1) ?? topFd, part, create));
    return action(addon, opened.at(-1) ?? topFd, name);
  } finally {
    opened.forEach(closeSync);
  }
}

function write(fd: number, content: Buffer): void {
  try {
    for (let at = 0; at < content.length;) at += writeSync(fd, content, at);
  } finally {
    closeSync(fd);
  }
}
