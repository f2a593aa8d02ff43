import type { Command } from 'commander';
import { packageDirectory } from '../../native/addon-path.ts';
import { WallaError } from '../errors.ts';
import { formatBytes } from '../format-bytes.ts';
import { guardedPreload } from '../guarded-preload.ts';
import type { Prestaged } from '../run/prestage.ts';
import { addExamples } from './examples.ts';
import { placeBar } from './progress.ts';
import { count } from './text.ts';

interface Flags {
  dir?: string;
  json?: boolean;
  quiet?: boolean;
}

/** Adds `walla stage`. */
export function stageCommand(program: Command): void {
  const command = program
    .command('stage')
    .description('place an archive, and walla itself, on nodes ahead of jobs; until walla clean')
    .argument('<archive>', 'path or URL')
    .option('--dir <directory>', 'node-local directory to stage into (WALLA_DIR)')
    .option('--json', 'print where everything is as JSON on stdout')
    .option('-q, --quiet', 'print nothing but errors')
    .action(run);
  addExamples(command, [
    ['walla stage app.walla', 'on this node'],
    ['mpirun --map-by ppr:1:node walla stage app.walla', 'on each node, by Open MPI'],
    ['srun --ntasks-per-node=1 walla stage app.walla', 'on each node of an allocation'],
  ]);
}

/** Collective over the ranks that run it. */
async function run(archive: string, flags: Flags): Promise<void> {
  if (flags.dir !== undefined) process.env['WALLA_DIR'] = flags.dir;
  const { fail } = await import('../failure.ts');
  const { stageArchive } = await import('../run/stage-archive.ts');
  const bar = await placeBar(`placing ${archive}`, flags.quiet === true);
  let done: Prestaged | undefined;
  try {
    done = stageArchive(archive, 'keep', bar?.onBytes);
  } catch (error) {
    bar?.stop();
    // Rank 0 speaks for all.
    fail(WallaError.from(error));
    return;
  }
  bar?.stop();
  if (!done) return;
  const { bytes, nodes, received, copies, ms } = done;
  if (flags.json) {
    const preload = guardedPreload(copies, packageDirectory());
    process.stdout.write(`${JSON.stringify({ ...done, import: preload }, null, 2)}\n`);
  } else if (!flags.quiet)
    process.stderr.write(
      `walla: ${done.archive}, ${formatBytes(bytes)}, is on ${count(nodes, 'node')}, ${received} received it, in ${(ms / 1000).toFixed(1)} s; walla clean removes it\n`,
    );
}
