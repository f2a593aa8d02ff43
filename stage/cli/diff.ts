import { statSync } from 'node:fs';
import type { Command } from 'commander';
import { addExamples } from './examples.ts';
import { paint, type Style } from './paint.ts';
import { count, formatName } from './text.ts';

const MARKS: Record<string, readonly [mark: string, style: Style | undefined]> = {
  added: ['+', 'green'],
  removed: ['-', 'red'],
  changed: ['M', 'yellow'],
  touched: ['t', undefined],
};
const EXIT_DIFFERENT = 3;

interface Flags {
  json?: boolean;
  quiet?: boolean;
}

/** Adds `walla diff`. */
export function diffCommand(program: Command): void {
  const command = program
    .command('diff')
    .description('compare two archives, or an archive with a source tree')
    .argument('<archive>')
    .argument('[other]', 'an archive or a directory (default: the tree that was packed)')
    .option('--json', 'print the differences as JSON on stdout')
    .option('-q, --quiet', 'print nothing: the exit code tells')
    .action(run);
  addExamples(command, [
    ['walla diff app.walla', 'what changed in the tree since it was packed'],
    ['walla diff old.walla new.walla', 'what two archives have otherwise'],
    ['walla diff -q app.walla || walla pack app.mjs -o app.walla', 'pack where something changed'],
  ]);
}

async function run(archive: string, other: string | undefined, flags: Flags): Promise<void> {
  const { compareArchives, compareWithTree, notATree } = await import('../pack/difference.ts');
  const stat = other === undefined ? undefined : statSync(other, { throwIfNoEntry: false });
  if (other !== undefined && stat === undefined) throw notATree(other);
  const comparison =
    other === undefined || stat?.isDirectory()
      ? await compareWithTree(archive, other)
      : await compareArchives(archive, other);
  const { differences, manifest, compared } = comparison;
  const same = manifest.length + differences.length === 0;
  if (!same) process.exitCode = EXIT_DIFFERENT;
  if (flags.json) {
    process.stdout.write(`${JSON.stringify({ same, ...comparison }, null, 2)}\n`);
    return;
  }
  if (flags.quiet) return;
  for (const { path, change, what } of differences) {
    const [mark, style] = MARKS[change] ?? ['?', undefined];
    const name = formatName(path === '' ? '.' : path);
    const line = `${mark} ${name}`;
    const painted = style === undefined ? line : paint(process.stdout, style, line);
    process.stdout.write(`${painted} (${formatName(what)})\n`);
  }
  for (const { field, first, second } of manifest)
    process.stdout.write(`M ${field}: ${formatName(first)} -> ${formatName(second)}\n`);
  const total = differences.length + manifest.length;
  process.stderr.write(
    `walla: ${total === 0 ? 'no differences' : count(total, 'difference')} in ${count(compared, 'packed name')}\n`,
  );
}
