import type { Command } from 'commander';
import type { Answer, ExplainedFile } from '../pack/explanation.ts';
import { formatBytes } from '../format-bytes.ts';
import { addExamples } from './examples.ts';
import { paint } from './paint.ts';
import { formatName } from './text.ts';

const EXIT_UNKNOWN = 3;
/** How many names that lead to a file are listed. */
const LISTED = 10;

/** Adds `walla explain`. */
export function explainCommand(program: Command): void {
  const command = program
    .command('explain')
    .description('say why a file is in an archive, and what a name resolves to there')
    .argument('<archive>')
    .argument('<specifier>', 'a name as the program writes it, or the path of a packed file')
    .argument('[parent]', 'the file that asks (default: the first entry)')
    .option('--json', 'print the answer as JSON on stdout')
    .action(async (archive: string, specifier: string, parent: string | undefined, flags: Flags) =>
      run(archive, specifier, parent, flags),
    );
  addExamples(command, [
    ['walla explain app.walla lodash', 'what the entry gets for lodash, and why it is packed'],
    ['walla explain app.walla ./util.js src/main.mjs', 'what src/main.mjs gets'],
    ['walla explain app.walla node_modules/pg/lib/index.js', 'why this file is in'],
  ]);
}

interface Flags {
  json?: boolean;
}

async function run(
  archive: string,
  specifier: string,
  parent: string | undefined,
  flags: Flags,
): Promise<void> {
  const { explain } = await import('../pack/explanation.ts');
  const explanation = await explain(archive, specifier, parent);
  const { answers, file, parent: asking } = explanation;
  if (answers.length === 0 && !file) process.exitCode = EXIT_UNKNOWN;
  if (flags.json) {
    process.stdout.write(`${JSON.stringify(explanation, null, 2)}\n`);
    return;
  }
  const lines = answers.map((answer) => {
    const asks = `${answer.kind} ${formatName(specifier)} from ${formatName(asking)}`;
    return `${asks}: ${answerText(answer)}`;
  });
  if (file) lines.push(...fileLines(file));
  if (lines.length === 0)
    lines.push(
      `${formatName(specifier)} is neither a packed file nor a name that ${formatName(asking)} asks for: Node.js asks the real file system`,
    );
  process.stdout.write(`${lines.join('\n')}\n`);
}

function answerText({ outcome, answer }: Answer): string {
  if (outcome === 'file') return formatName(answer);
  if (outcome === 'builtin') return `built into Node.js (${answer})`;
  return `not found (${answer}), as when it was packed`;
}

function fileLines(file: ExplainedFile): string[] {
  const { path, size, format, native, scope, why, askedBy, chain } = file;
  const kind = native ? 'native' : (format ?? 'no module');
  const lines = [
    `${paint(process.stdout, 'bold', formatName(path))}: ${formatBytes(size)}, ${kind}${scope === undefined ? '' : `, of ${formatName(scope)}`}`,
    `  in because: ${why}`,
  ];
  if (chain.length > 0) {
    lines.push('  the shortest way there:');
    for (const step of chain) lines.push(`    ${stepText(step)}`);
  }
  if (askedBy.length > 0) {
    lines.push('  asked for as:');
    for (const step of askedBy.slice(0, LISTED))
      lines.push(
        `    ${step.kind} ${formatName(step.specifier)} in ${formatName(step.directory || '.')}/`,
      );
    if (askedBy.length > LISTED) lines.push(`    and ${askedBy.length - LISTED} more`);
  }
  return lines;
}

function stepText({ directory, kind, specifier, answer }: Answer): string {
  return `${formatName(directory || '.')}/: ${kind} ${formatName(specifier)} -> ${formatName(answer)}`;
}
