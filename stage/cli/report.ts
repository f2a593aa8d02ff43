import type { Command } from 'commander';
import { addExamples } from './examples.ts';
import { count } from './text.ts';

interface Flags {
  output?: string;
  trace?: string;
  json?: boolean;
  quiet?: boolean;
}

/** Adds `walla report`. */
export function reportCommand(program: Command): void {
  const command = program
    .command('report')
    .description('make a page of what a run with WALLA_REPORT=<file> wrote')
    .argument('<file>', 'the report')
    .option('-o, --output <file>', "page to write; default: the report's name, with .html")
    .option('--trace <file>', 'write a trace for Perfetto or DevTools too')
    .option('--json', 'print the report on stdout; write the page only with -o')
    .option('-q, --quiet', 'print nothing but errors')
    .action(async (file: string, flags: Flags) => {
      const { writeReport } = await import('../report-page/write.ts');
      const { report, written } = await writeReport(file, flags);
      if (flags.json) process.stdout.write(`${JSON.stringify(report, null, 2)}\n`);
      if (flags.quiet) return;
      const { size, nodes, misses, unlisted } = report;
      const ranks = `${count(size, 'rank')} on ${count(nodes, 'node')}`;
      const missed = misses.length + unlisted;
      for (const name of written)
        process.stderr.write(
          `walla: wrote ${name}: ${ranks}, ${missed === 1 ? '1 miss' : `${missed} misses`}\n`,
        );
    });
  addExamples(command, [
    ['walla report .walla/report.json -o report.html', 'make a page of it'],
    ['walla report .walla/report.json --json | jq .phases.transfer.work', 'for a script'],
    ['walla run -n 4 --report r.json -- node app.mjs', 'what writes one'],
  ]);
}
