import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { statIfThere } from './if-there.ts';

/** What a package may load by a name that it works out when it runs. */
export interface OptionalDependencies {
  names: string[];
  /** Native files of those that are made for one platform, which a directory listing leads to. */
  files: string[];
}

interface PackageManifest {
  optionalDependencies?: Record<string, unknown>;
  peerDependenciesMeta?: Record<string, { optional?: unknown } | null>;
  os?: unknown;
  cpu?: unknown;
}

const NATIVE_FILE = /\.(?:node|wasm|so(?:\.\d+)*)$/;
const NONE: OptionalDependencies = { names: [], files: [] };

/**
 * The optional dependencies of a package, and optional peers: the driver of a database that the user has installed. Those with native code ship one package for each platform, and
 * put its name together at run time: `require(name)` says nothing, this list does.
 */
export class OptionalDependencyFinder {
  readonly #known = new Map<string, OptionalDependencies>();

  /** @param manifest absolute path of the package's package.json */
  of(manifest: string): OptionalDependencies {
    let found = this.#known.get(manifest);
    if (found === undefined) {
      found = find(manifest);
      this.#known.set(manifest, found);
    }
    return found;
  }
}

function find(manifest: string): OptionalDependencies {
  const { optionalDependencies, peerDependenciesMeta } = readManifest(manifest);
  const peers = Object.entries(objectOr(peerDependenciesMeta))
    .filter(([, peer]) => peer?.optional === true)
    .map(([name]) => name);
  const names = [...new Set([...Object.keys(objectOr(optionalDependencies)), ...peers])].sort();
  if (names.length === 0) return NONE;
  return { names, files: names.flatMap((name) => nativeFiles(name, dirname(manifest))) };
}

function objectOr<Value>(listed: Record<string, Value> | undefined): Record<string, Value> {
  return typeof listed === 'object' ? listed : {};
}

function nativeFiles(name: string, from: string): string[] {
  for (let at = from; ; at = dirname(at)) {
    const directory = join(at, 'node_modules', name);
    if (statIfThere(directory)?.isDirectory()) {
      const { os, cpu } = readManifest(join(directory, 'package.json'));
      if (os === undefined && cpu === undefined) return [];
      const children = readdirSync(directory).filter((child) => NATIVE_FILE.test(child));
      return children.sort().map((child) => join(directory, child));
    }
    if (at === dirname(at)) return [];
  }
}

/** A manifest that Node.js could not read either is for Node.js to judge. */
function readManifest(path: string): PackageManifest {
  try {
    const manifest: unknown = JSON.parse(readFileSync(path, 'utf8'));
    return typeof manifest === 'object' && manifest !== null ? manifest : {};
  } catch {
    return {};
  }
}
