/** Runs programs under a chosen Node.js, alone or as ranks, and says what came out. */
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { cleanEnvironment, type Mpi, mpis, type Outcome, run } from './mpi/launch.ts';

export { cleanEnvironment, mpis, type Mpi, type Outcome, run };

/** The repository, as the package `walla` that programs under test use. */
export const packageRoot = fileURLToPath(new URL('..', import.meta.url)).replace(/\/$/, '');
export const preload = join(packageRoot, 'dist/stage.cjs');
export const cli = join(packageRoot, 'dist/cli.js');

export interface RunOptions {
  /** Absolute path of the Node.js to run; default: the current one. */
  node?: string;
  env?: NodeJS.ProcessEnv;
}

export function runNode(args: readonly string[], { node, env }: RunOptions = {}): Outcome {
  return run(node ?? process.execPath, [...args], env);
}

/** Runs a staged program: alone, or as so many ranks of an MPI. */
export function runStaged(
  args: readonly string[],
  options: RunOptions & { mpi?: Mpi; ranks?: number } = {},
): Outcome {
  const { node = process.execPath, env, mpi, ranks = 1 } = options;
  const words = [node, '--import', preload, ...args];
  if (!mpi) return run(words[0] ?? '', words.slice(1), env);
  // Lines without the rank in front: what the program prints is compared with what it prints alone.
  const launcherArgs = mpi.args.filter(
    (argument) => !/^(--tag-output|-prepend-rank)$/.test(argument),
  );
  return run(mpi.command, [...launcherArgs, '-np', String(ranks), ...words], env);
}

/** Packs with the command line, and fails loudly. */
export function packProgram(entry: string, archive: string, { node, env }: RunOptions = {}): void {
  const { status, stderr } = runNode([cli, 'pack', '--quiet', '-o', archive, entry], {
    ...(node === undefined ? {} : { node }),
    ...(env === undefined ? {} : { env }),
  });
  if (status !== 0) throw new Error(`packing ${entry} failed: ${stderr}`);
}

/** A program tree in a temporary directory: paths to contents; `{ link }` makes a symbolic link. */
export class Application {
  readonly root: string;

  constructor(files: Record<string, string | { link: string }>) {
    this.root = realpathSync(mkdtempSync(join(tmpdir(), 'walla-app-')));
    for (const [path, content] of Object.entries(files)) this.write(path, content);
  }

  path(relative: string): string {
    return join(this.root, relative);
  }

  write(relative: string, content: string | { link: string }): void {
    const path = this.path(relative);
    mkdirSync(dirname(path), { recursive: true });
    if (typeof content === 'string') writeFileSync(path, content);
    else symlinkSync(content.link, path);
  }

  remove(): void {
    rmSync(this.root, { recursive: true, force: true });
  }
}

/** Puts the package, as it was built, into the node_modules of a project, with what it depends on. */
export function installPackage(project: string): void {
  const modules = join(project, 'node_modules');
  const place = (name: string): string => {
    mkdirSync(dirname(join(modules, name)), { recursive: true });
    return join(modules, name);
  };
  // A copy, since a link would make all of the repository part of the project.
  for (const part of ['dist', 'package.json'])
    cpSync(join(packageRoot, part), place(`walla/${part}`), { recursive: true });
  const { dependencies } = JSON.parse(readFileSync(join(packageRoot, 'package.json'), 'utf8')) as {
    dependencies: Record<string, string>;
  };
  for (const name of Object.keys(dependencies))
    symlinkSync(join(packageRoot, 'node_modules', name), place(name));
  symlinkSync('../walla/dist/cli.js', place('.bin/walla'));
}

/** What walla has in a staging base; empty after every job. */
export function leftBehind(base: string): string[] {
  return readdirSync(base).filter((name) => name.startsWith('walla'));
}
