import type { Command } from 'commander';
import { addExamples } from './examples.ts';

/** Adds `walla cat`. */
export function catCommand(program: Command): void {
  const command = program
    .command('cat')
    .description('print files of an archive, as they were packed')
    .argument('<archive>')
    .argument('<path...>', 'relative to the archive’s root, or absolute below it')
    .option('--json', 'print path, size, format and text of each file as JSON')
    .action(async (archive: string, paths: string[], flags: { json?: boolean }) => {
      const { readPacked } = await import('../pack/read-packed.ts');
      const files = await readPacked(archive, paths);
      if (flags.json) {
        const listed = files.map(({ content, ...rest }) => ({
          ...rest,
          text: content.toString('utf8'),
        }));
        process.stdout.write(`${JSON.stringify(listed, null, 2)}\n`);
      } else for (const { content } of files) process.stdout.write(content);
    });
  addExamples(command, [
    ['walla cat app.walla src/settings.json', 'print one file'],
    ['walla cat app.walla .walla/manifest.json', 'print what the archive says of itself'],
  ]);
}
