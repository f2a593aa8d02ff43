/** The package as it would be published, and projects that have it installed. */
import { spawnSync, type SpawnSyncReturns } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { packageRoot } from '../run-node.ts';

interface PackedFile {
  path: string;
  size: number;
  mode: number;
}

export interface Packed {
  /** Absolute path. */
  tarball: string;
  bytes: number;
  files: PackedFile[];
}

/** Runs npm with no settings of an outer npm, and fails loudly. @returns standard output */
export function npm(args: string[], cwd: string): string {
  const result = tryNpm(args, cwd);
  if (result.status !== 0)
    throw new Error(`npm ${args.join(' ')}: ${result.stderr}${result.stdout}`);
  return result.stdout;
}

export function tryNpm(args: string[], cwd: string): SpawnSyncReturns<string> {
  const env = Object.fromEntries(
    Object.entries(process.env).filter(([name]) => !name.startsWith('npm_')),
  );
  return spawnSync('npm', args, { cwd, env, encoding: 'utf8', timeout: 180_000 });
}

/** `npm pack`, with what it runs before. */
export function packPackage(directory: string): Packed {
  const out = npm(['pack', '--json', '--silent', '--pack-destination', directory], packageRoot);
  const [packed] = JSON.parse(out.slice(out.lastIndexOf('\n[') + 1)) as [
    { filename: string; size: number; files: PackedFile[] },
  ];
  const { filename, size, files } = packed;
  return { tarball: join(directory, filename), bytes: size, files };
}

interface LockFile {
  packages: Record<string, { dev?: boolean }>;
}

/**
 * A lock file of a project that depends on the tarball alone, with the dependencies that the package is tested with: npm
 * finds them in its own cache, without a network.
 */
function lockFor(tarball: string): string {
  const { packages } = JSON.parse(
    readFileSync(join(packageRoot, 'package-lock.json'), 'utf8'),
  ) as LockFile;
  const { '': own, ...others } = packages;
  const needed = Object.entries(others).filter(([, { dev }]) => dev !== true);
  return JSON.stringify({
    name: 'app',
    lockfileVersion: 3,
    packages: {
      '': { name: 'app', dependencies: { walla: `file:${tarball}` } },
      'node_modules/walla': { ...own, resolved: `file:${tarball}`, devDependencies: undefined },
      ...Object.fromEntries(needed),
    },
  });
}

/** A project in a directory of its own that has the tarball installed. */
export class Project {
  readonly root = mkdtempSync(join(tmpdir(), 'walla-package-'));

  /** @param fields of its package.json */
  constructor(tarball: string, fields: object, files: Record<string, string>) {
    for (const [name, content] of Object.entries(files)) writeFileSync(this.path(name), content);
    const manifest = { ...fields, name: 'app', dependencies: { walla: `file:${tarball}` } };
    writeFileSync(this.path('package.json'), JSON.stringify(manifest));
    writeFileSync(this.path('package-lock.json'), lockFor(tarball));
    const quiet = ['--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'];
    npm(['ci', '--prefer-offline', ...quiet], this.root);
  }

  path(name: string): string {
    return join(this.root, name);
  }

  /** Of the installed package. */
  installed(name: string): string {
    return join(this.root, 'node_modules', 'walla', name);
  }

  manifest(): { scripts: Record<string, string> } {
    return JSON.parse(readFileSync(this.installed('package.json'), 'utf8')) as {
      scripts: Record<string, string>;
    };
  }

  remove(): void {
    rmSync(this.root, { recursive: true, force: true });
  }
}
