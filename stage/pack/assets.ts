import { statSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { dirname, sep } from 'node:path';
import type { Assets } from './file-facts.ts';
import { ifThere, statIfThere } from './if-there.ts';

/** Never part of a program, though a glob over its directory finds them, or its code names them. */
const LEFT_OUT = /\/(?:\.git|\.hg|\.svn|\.walla)\/|^\/(?:proc|sys)\//;

/**
 * nft takes what it cannot compute for a name in its own working directory, so that path.relative of such a name leads to
 * there, and a require of it to whatever lies there.
 */
const RELATIVE_CALL = /\brelative(?=\s*\()/g;

/**
 * Takes a closer look at modules that may read files or compute names, with @vercel/nft. It is
 * accurate but slow on whole programs, so it sees single files: their imports are not followed.
 */
export class AssetFinder {
  readonly #directory: string;
  readonly #source: (path: string) => string;
  readonly #cache = {};

  /**
   * @param directory taken for the working directory of the program
   * @param source where the content of a file is to be read
   */
  constructor(directory: string, source: (path: string) => string) {
    this.#directory = directory;
    this.#source = source;
  }

  /** @param paths absolute paths of modules */
  async find(paths: string[]): Promise<Map<string, Assets>> {
    try {
      return await this.#look(paths);
    } catch (error) {
      if (!isOfOneFile(error)) throw error;
      if (paths.length <= 1) return new Map(paths.map((path) => [path, summary(path, [], [])]));
    }
    const found = new Map<string, Assets>();
    for (const path of paths)
      for (const [each, assets] of await this.find([path])) found.set(each, assets);
    return found;
  }

  async #look(paths: string[]): Promise<Map<string, Assets>> {
    const { nodeFileTrace } = await import('@vercel/nft');
    const names = new Map<string, Assets['names']>();
    const files = new Map<string, Set<string>>(paths.map((path) => [path, new Set()]));
    const { reasons } = await nodeFileTrace(paths, {
      base: sep,
      processCwd: this.#directory,
      depth: 1,
      ts: false,
      cache: this.#cache,
      readFile: (path) => readRegularFile(this.#source(path)),
      // nft's own resolution is not asked: Node.js settles names later.
      resolve: (specifier, parent, _job, commonjs) => {
        if (specifier.startsWith(sep)) files.get(parent)?.add(specifier);
        else {
          const found = { kind: commonjs ? 'require' : 'import', specifier } as const;
          names.set(parent, [...(names.get(parent) ?? []), found]);
        }
        return Promise.resolve('node:skip');
      },
    });
    for (const [path, reason] of reasons) {
      if (!reason.type.some((type) => type !== 'initial' && type !== 'resolve')) continue;
      for (const parent of originators(reasons, reason.parents, files)) {
        files.get(parent)?.add(sep + path);
      }
    }
    return new Map(
      paths.map((path) => {
        const found = [...(files.get(path) ?? [])].filter(
          (file) => file !== path && !LEFT_OUT.test(file),
        );
        return [path, summary(path, found.sort(), names.get(path) ?? [])];
      }),
    );
  }
}

/**
 * Whether nft 1.11.5 stumbled over what one file says, which has no assets then: it takes `fs.constants` for an imported
 * `constants`, and a link that leads to itself for an end of its work.
 */
function isOfOneFile(error: unknown): boolean {
  return (
    error instanceof TypeError ||
    (error instanceof Error && error.message.startsWith('Recursive symlink'))
  );
}

/** A FIFO would make the reader wait, and a device such as /dev/zero never ends. */
async function readRegularFile(path: string): Promise<string | Buffer | null> {
  if (!statIfThere(path)?.isFile()) return null;
  const content = await readFile(path);
  return content.includes('relative')
    ? content.toString().replace(RELATIVE_CALL, '_relative')
    : content;
}

/** Shared libraries hang from the addon that was found, which hangs from the module. */
function originators(
  reasons: Map<string, { parents: Set<string> }>,
  parents: Set<string>,
  modules: Map<string, unknown>,
): string[] {
  return [...parents].flatMap((parent) =>
    modules.has(sep + parent)
      ? [sep + parent]
      : [...(reasons.get(parent)?.parents ?? [])].map((path) => sep + path),
  );
}

function summary(path: string, files: string[], names: Assets['names']): Assets {
  const directories = new Set([dirname(path), ...files.map((file) => dirname(file))]);
  return {
    files,
    names,
    directories: [...directories].map((directory) => [directory, modified(directory)]),
  };
}

function modified(path: string): string {
  const stat = ifThere(() => statSync(path, { bigint: true, throwIfNoEntry: false }));
  return String(stat?.mtimeNs ?? '');
}

/** Whether what was found earlier still holds: no name was added to or removed from its directories. */
export function assetsHold(assets: Assets): boolean {
  return assets.directories.every(([path, mtimeNs]) => modified(path) === mtimeNs);
}
