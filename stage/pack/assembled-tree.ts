import type { Manifest } from '../format/manifest.ts';
import type { PackagesSummary } from './lockfile/locked-tree.ts';
import type { Mirror } from './mirror.ts';

/** A tree whose packages are put together for one pack. */
export interface AssembledTree {
  /** What the manifest says of it. */
  readonly packages: NonNullable<Manifest['packages']>;
  readonly mirror: Mirror;
  /** What came from where. */
  readonly summary?: PackagesSummary;
  /** Yarn's runtime, in the mirror, that finds packages instead of Node.js. */
  readonly pnp?: { runtime: string; loader: string | undefined };
  /**
   * Refuses packages that need an install script, as far as the program uses them.
   * @throws WallaError ERR_WALLA_INSTALL_SCRIPT
   */
  refuseInstallScripts?(isUsed: (directory: string) => boolean): void;
}
