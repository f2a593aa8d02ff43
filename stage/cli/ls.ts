import type { Command } from 'commander';
import { addExamples } from './examples.ts';
import { formatMode, formatName } from './text.ts';

interface Flags {
  json?: boolean;
  long?: boolean;
}

/** Adds `walla ls`. */
export function lsCommand(program: Command): void {
  const command = program
    .command('ls')
    .description('list what an archive holds')
    .argument('<archive>')
    .option('-l, --long', 'with mode, size, format and link target')
    .option('--json', 'as JSON, with the manifest and the table of resolutions')
    .action(async (archive: string, flags: Flags) => {
      const { listArchive } = await import('../pack/list.ts');
      const listed = await listArchive(archive);
      if (flags.json) {
        print(JSON.stringify(listed, null, 2));
        return;
      }
      for (const { path, mode, size, format, link } of listed.entries) {
        const name = formatName(path === '' ? '.' : path);
        const target = link === undefined ? '' : ` -> ${formatName(link)}`;
        const columns = [formatMode(mode), String(size).padStart(11), (format ?? '-').padEnd(10)];
        print(flags.long ? `${columns.join(' ')} ${name}${target}` : name);
      }
    });
  addExamples(command, [
    ['walla ls app.walla', 'the names'],
    ['walla ls -l app.walla | sort -k2 -n', 'by size'],
    ['walla ls --json app.walla', 'with the table of resolutions'],
  ]);
}

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}
