/** A Plug'n'Play project with its zip files unpacked: each is a directory with the file's name, in a mirror. */
import { cpSync, existsSync, linkSync, mkdirSync, readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { AssembledTree } from '../assembled-tree.ts';
import { Mirror } from '../mirror.ts';
import { PNP_LOADER, PNP_RUNTIME, pnpLocations } from './pnp-project.ts';
import { unzip } from './unzip.ts';

const VIRTUAL = '__virtual__';

export class PnpTree implements AssembledTree {
  readonly packages = 'pnp';
  readonly mirror = new Mirror({
    isPackages: (name) => name.endsWith('.zip') || name === VIRTUAL || name === '$$virtual',
    everywhere: true,
    copied: new Set(['package.json', PNP_RUNTIME, PNP_LOADER, '.pnp.data.json']),
  });
  readonly pnp: { runtime: string; loader: string | undefined };

  /**
   * @param project absolute real directory of the .pnp.cjs
   * @throws WallaError ERR_WALLA_PACK, ERR_WALLA_UNREADABLE
   */
  constructor(project: string) {
    const loader = join(project, PNP_LOADER);
    this.pnp = {
      runtime: this.mirror.inside(join(project, PNP_RUNTIME)),
      loader: existsSync(loader) ? this.mirror.inside(loader) : undefined,
    };
    try {
      this.mirror.takeOwn(project);
      this.#takePackages(project);
      this.mirror.settleTimes();
    } catch (error) {
      this.mirror.remove();
      throw error;
    }
  }

  #takePackages(project: string): void {
    const unpacked = new Set<string>();
    const locations = pnpLocations(project);
    for (const { base } of locations) {
      const zip = zipOf(base);
      if (zip === undefined) {
        const isOwn = this.mirror.isMirrored(this.mirror.inside(base.replace(/\/$/, '')));
        if (!isOwn && existsSync(base)) this.mirror.takeOwn(base.replace(/\/$/, ''));
      } else if (!unpacked.has(zip)) {
        unpacked.add(zip);
        unzip(zip, this.mirror.inside(zip));
      }
    }
    for (const { location, base } of locations) {
      if (location === base || existsSync(this.mirror.inside(location))) continue;
      mkdirSync(dirname(this.mirror.inside(location)), { recursive: true });
      // A virtual package is another one for each set of peers, so a link to its base would not do.
      if (zipOf(base) === undefined) copyOwn(base, this.mirror.inside(location));
      else linkTree(this.mirror.inside(base), this.mirror.inside(location));
    }
  }
}

/** The zip file that a location is in. */
function zipOf(location: string): string | undefined {
  return /^.*?\.zip(?=\/)/.exec(location)?.[0];
}

function copyOwn(from: string, to: string): void {
  cpSync(from, to, {
    recursive: true,
    verbatimSymlinks: true,
    filter: (path) => !/\/(?:node_modules|\.git|\.walla)$/.test(path),
  });
}

function linkTree(from: string, to: string): void {
  mkdirSync(to, { recursive: true });
  for (const child of readdirSync(from, { withFileTypes: true })) {
    const [source, target] = [join(from, child.name), join(to, child.name)];
    if (child.isDirectory()) linkTree(source, target);
    else linkSync(source, target);
  }
}
