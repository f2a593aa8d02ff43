import type { Command } from 'commander';
import { formatBytes } from '../format-bytes.ts';
import { addExamples } from './examples.ts';
import { verifyBar } from './progress.ts';
import { count } from './text.ts';

/** Adds `walla verify`. */
export function verifyCommand(program: Command): void {
  const command = program
    .command('verify')
    .description('check an archive (or its .gz) from the first byte to the last')
    .argument('<archive>')
    .option('--json', 'print the result as JSON on stdout')
    .option('-q, --quiet', 'print nothing but errors')
    .action(async (archive: string, flags: { json?: boolean; quiet?: boolean }) => {
      const { verifyArchive } = await import('../pack/verify.ts');
      const bar = await verifyBar(flags.quiet === true);
      const { manifest, bytes } = await verifyArchive(archive, bar.onBytes).finally(bar.stop);
      if (flags.json) {
        process.stdout.write(
          `${JSON.stringify({ file: archive, ok: true, bytes, manifest }, null, 2)}\n`,
        );
      } else if (!flags.quiet) {
        const { counts, sha256 } = manifest;
        const what = `${count(counts.files, 'file')}, ${formatBytes(bytes)}`;
        process.stderr.write(`walla: ${archive} is whole: ${what}, sha256 ${sha256}\n`);
      }
    });
  addExamples(command, [
    ['walla verify app.walla', 'every byte'],
    ['walla verify --json app.walla.gz', 'a compressed archive, for a script'],
  ]);
}
