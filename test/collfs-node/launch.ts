/** Starts the programs beside this file, which use the built package, on ranks. */
import { existsSync, mkdtempSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { nativePath } from '../../native/addon-path.ts';
import { mpis, type Mpi, type Outcome, run } from '../mpi/launch.ts';

/** The MPIs under which there is collfs for Node.js, or why not. */
export const implementations: Mpi[] = mpis.map((mpi) => {
  const isBuilt = existsSync(nativePath(`collfs-${mpi.abi}.node`));
  return { ...mpi, skip: mpi.skip || (!isBuilt && `collfs-${mpi.abi}.node is not built`) };
});

export function programPath(name: string): string {
  return fileURLToPath(new URL(`programs/${name}`, import.meta.url));
}

export interface Launch {
  /** Undefined: one process without a launcher. */
  mpi?: Mpi | undefined;
  ranks?: number;
  args?: string[];
  /** Arguments of Node.js itself. */
  flags?: string[];
  /** Absolute path of another Node.js. */
  node?: string;
  env?: NodeJS.ProcessEnv;
}

export function launch(program: string, options: Launch = {}): Outcome {
  const { mpi, ranks = 1, args = [], flags = [], node = process.execPath, env } = options;
  const words = [node, ...flags, program, ...args];
  if (!mpi) return run(words[0] ?? '', words.slice(1), env);
  return run(mpi.command, [...mpi.args, '-np', String(ranks), ...words], env);
}

/** An empty directory, by the name that links do not change. */
export function scratch(): { path: string; remove: () => void } {
  const path = realpathSync(mkdtempSync(join(tmpdir(), 'walla-collfs-')));
  return { path, remove: () => rmSync(path, { recursive: true, force: true }) };
}

/** How many times a word stands in a text. */
export function count(text: string, word: string): number {
  return text.split(word).length - 1;
}
