/** Makes the tree that `npm ci` would, without writing to it: from a lock file, in a mirror on this node. */
import { chmodSync, existsSync, mkdirSync, readFileSync, statSync, symlinkSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { WallaError } from '../../errors.ts';
import { isSafePath } from '../entry-path.ts';
import { unreadable } from '../source-tree.ts';
import { PackageFetcher } from './fetch-package.ts';
import { refuseInstallScripts } from './install-scripts.ts';
import { type LockedPackage, readLockFile } from './lock-file.ts';
import type { AssembledTree } from '../assembled-tree.ts';
import { Mirror } from '../mirror.ts';
import { NpmSettings } from './npm-settings.ts';
import { PackageCache } from './package-cache.ts';
import { unpackPackage } from './unpack.ts';
import { type Machine, wantedPackages } from './wanted-packages.ts';

/** Downloads at a time: what npm does. */
const CONCURRENCY = 15;

export interface LockedTreeOptions {
  /** Absolute path of the lock file. */
  lockFile: string;
  machine: Machine;
  /** Kinds of dependencies to leave out, besides those npm's settings name. */
  omit: string[];
  /** Directory of kept tarballs; undefined: none are kept. */
  downloads: string | undefined;
  /** How long a registry may be silent. */
  timeoutMs: number;
  onPackages?: ((done: number, total: number) => void) | undefined;
}

export interface PackagesSummary {
  packages: number;
  /** How many were downloaded; the others were kept from before. */
  downloaded: number;
  receivedBytes: number;
}

export class LockedTree implements AssembledTree {
  readonly packages = 'lockfile';
  readonly mirror = new Mirror({
    isPackages: (name) => name === 'node_modules',
    everywhere: false,
    copied: new Set(['package.json']),
  });
  readonly #options: LockedTreeOptions;
  /** The project: where the lock file is. */
  readonly #directory: string;
  #wanted: LockedPackage[] = [];
  #summary: PackagesSummary = { packages: 0, downloaded: 0, receivedBytes: 0 };

  private constructor(options: LockedTreeOptions) {
    this.#options = options;
    this.#directory = dirname(options.lockFile);
  }

  /**
   * To be removed with `mirror.remove()`.
   * @throws WallaError ERR_WALLA_LOCKFILE, ERR_WALLA_INTEGRITY, ERR_WALLA_TRANSFER, ERR_WALLA_PLATFORM, ERR_WALLA_NO_SPACE
   */
  static async make(options: LockedTreeOptions): Promise<LockedTree> {
    const tree = new LockedTree(options);
    try {
      await tree.#fill();
      return tree;
    } catch (error) {
      tree.mirror.remove();
      throw error;
    }
  }

  get summary(): PackagesSummary {
    return this.#summary;
  }

  /**
   * Refuses packages that need an install script, as far as the program uses them.
   * @param isUsed whether anything below a place in the mirror is packed
   * @throws WallaError ERR_WALLA_INSTALL_SCRIPT
   */
  refuseInstallScripts(isUsed: (directory: string) => boolean): void {
    const scripted = this.#wanted
      .filter(({ hasInstallScript, link }) => hasInstallScript && !link)
      .map((one) => ({ one, directory: this.#place(one.location) }))
      .filter(({ directory }) => isUsed(directory));
    refuseInstallScripts(scripted, this.#wanted, this.#options.machine);
  }

  async #fill(): Promise<void> {
    const { lockFile, machine, omit } = this.#options;
    const settings = new NpmSettings(this.#directory);
    const locked = readLockFile(readText(lockFile), lockFile);
    if (!existsSync(join(this.#directory, 'package.json')))
      throw new WallaError('ERR_WALLA_LOCKFILE', `there is no package.json beside ${lockFile}`);
    this.#wanted = wantedPackages(locked, machine, new Set([...omit, ...settings.omit]));
    this.#takeOwn();
    // Parents first: a package's own node_modules must not be made before the package.
    const inOrder = [...this.#wanted].sort((a, b) => (a.location < b.location ? -1 : 1));
    for (const one of inOrder.filter(({ link }) => link)) this.#link(one);
    await this.#install(
      inOrder.filter((one) => isInstalled(one) && !one.link && !one.inBundle),
      settings,
    );
    this.mirror.settleTimes();
  }

  /** The project, and packages of the tree that are beside it. */
  #takeOwn(): void {
    this.mirror.takeOwn(this.#directory);
    for (const { location } of this.#wanted)
      if (location.startsWith('../') && !location.includes('node_modules/')) {
        const directory = resolve(this.#directory, location);
        if (!this.mirror.isMirrored(this.mirror.inside(directory))) this.mirror.takeOwn(directory);
      }
  }

  #link({ location, resolved = '' }: LockedPackage): void {
    const path = this.#place(location);
    const target = resolve(this.#directory, resolved);
    if (!statSync(target, { throwIfNoEntry: false })?.isDirectory())
      throw new WallaError(
        'ERR_WALLA_LOCKFILE',
        `${location} is a link to ${target}, which is no directory`,
      );
    mkdirSync(dirname(path), { recursive: true });
    symlinkSync(relative(dirname(path), this.mirror.inside(target)), path);
  }

  async #install(packages: LockedPackage[], settings: NpmSettings): Promise<void> {
    const { downloads, timeoutMs, onPackages } = this.#options;
    const cache = new PackageCache(downloads, settings.cache);
    cache.sweep();
    const fetcher = new PackageFetcher(settings, cache, timeoutMs);
    const { length } = packages;
    let done = 0;
    onPackages?.(done, length);
    try {
      await forEachOf(packages, async (one) => {
        const { bytes, received } = await fetcher.fetch(one, (path) =>
          this.#localTarball(one, path),
        );
        const place = this.#place(one.location);
        await unpackPackage(bytes, place, `${one.name}@${one.version}`);
        makeBinsExecutable(place);
        if (received > 0) this.#summary.downloaded += 1;
        this.#summary.receivedBytes += received;
        onPackages?.(++done, length);
      });
    } finally {
      await fetcher.close();
    }
    this.#summary.packages = length;
  }

  /** A tarball that is named in the project's package.json, or in that of a package of the tree. */
  #localTarball({ name }: LockedPackage, path: string): string {
    const tarball = resolve(this.#directory, path);
    if (!statSync(tarball, { throwIfNoEntry: false })?.isFile())
      throw new WallaError('ERR_WALLA_LOCKFILE', `the tarball ${tarball} of ${name} is not there`);
    return tarball;
  }

  /** Where a location of the lock file is in the mirror. */
  #place(location: string): string {
    return this.mirror.inside(resolve(this.#directory, location));
  }
}

/** Rather than a package of the program's own tree. */
function isInstalled({ location }: LockedPackage): boolean {
  return location.startsWith('node_modules/') || location.includes('/node_modules/');
}

/** npm makes them so when it links them into `node_modules/.bin`. */
function makeBinsExecutable(directory: string): void {
  for (const path of binsOf(join(directory, 'package.json'))) {
    const file = join(directory, path);
    const stat = isSafePath(path) ? statSync(file, { throwIfNoEntry: false }) : undefined;
    if (stat?.isFile()) chmodSync(file, (stat.mode & 0o777) | 0o111);
  }
}

function binsOf(manifest: string): string[] {
  try {
    const { bin } = JSON.parse(readFileSync(manifest, 'utf8')) as { bin?: unknown };
    const paths: unknown[] = typeof bin === 'object' && bin !== null ? Object.values(bin) : [bin];
    return paths
      .filter((path) => typeof path === 'string')
      .map((path) => path.replace(/^(?:\.?\/)+/, ''));
  } catch {
    return []; // for Node.js to complain of
  }
}

function readText(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    throw unreadable(file, error);
  }
}

/** Does something with each item, a few at a time; the first failure ends it once those under way have ended. */
async function forEachOf<T>(
  items: readonly T[],
  action: (item: T) => Promise<void>,
): Promise<void> {
  const queue = items[Symbol.iterator]();
  let failure: unknown;
  const work = async (): Promise<void> => {
    for (const item of queue) {
      if (failure !== undefined) return;
      await action(item).catch((error: unknown) => void (failure ??= error));
    }
  };
  await Promise.all(Array.from({ length: CONCURRENCY }, work));
  if (failure !== undefined) throw failure as Error;
}
