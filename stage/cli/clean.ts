import { existsSync } from 'node:fs';
import type { Command } from 'commander';
import { given } from '../options.ts';
import { baseCandidates } from '../staging-base.ts';
import { StagingDirectory } from '../staging-directory.ts';
import { addExamples } from './examples.ts';
import { count } from './text.ts';

/** Adds `walla clean`. */
export function cleanCommand(program: Command): void {
  const command = program
    .command('clean')
    .description('remove the images on this node that no process uses, kept ones included')
    .option('--json', 'print the names removed as JSON on stdout')
    .option('-q, --quiet', 'print nothing but errors')
    .action((flags: { json?: boolean; quiet?: boolean }) => {
      const removed = baseCandidates(process.env, given(process.env['WALLA_DIR']))
        .map((base) => new StagingDirectory(base))
        .filter(({ path }) => existsSync(path))
        .flatMap((directory) => directory.clean(true).map((name) => `${directory.path}/${name}`));
      if (flags.json) process.stdout.write(`${JSON.stringify({ removed }, null, 2)}\n`);
      else if (!flags.quiet)
        process.stderr.write(`walla: removed ${count(removed.length, 'image')}\n`);
    });
  addExamples(command, [
    ['walla clean', 'on this node'],
    ['mpirun --map-by ppr:1:node walla clean -q', 'on each node, by Open MPI'],
  ]);
}
