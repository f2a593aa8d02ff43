/** The manual page, made from the tree of commands: docs/man/walla.1 is what this returns. */
import type { Command } from 'commander';
import { VARIABLE_NAMES } from '../options.ts';
import { WALLA_VERSION } from '../version.ts';
import { describeCommands, type DescribedCommand, optionNames } from './command-tree.ts';
import { EXIT_CODES } from './commands.ts';
import { examplesOf, type Example } from './examples.ts';

/** Set by walla, or read by builds and tests alone. */
const NOT_FOR_JOBS = /^WALLA_(ATTACH|FAULT|MPICC|SETUP|TEST|CLUSTER)/;

/** @param program with all its commands */
export function manual(program: Command): string {
  const commands = describeCommands(program);
  const variables = VARIABLE_NAMES.filter((name) => !NOT_FOR_JOBS.test(name)).sort();
  return [
    String.raw`.\" Made by npm run manual from the command line itself.`,
    `.TH WALLA 1 "" "walla ${WALLA_VERSION}" "User Commands"`,
    '.SH NAME',
    'walla \\- start a Node.js program on thousands of nodes at once',
    '.SH SYNOPSIS',
    ...commands.flatMap(({ usage }) => ['.br', `.B ${roff(usage)}`]),
    '.SH DESCRIPTION',
    roff(program.description()),
    roff(
      'One rank reads the program’s dependency tree as one archive, MPI carries it to the memory of every node, and module hooks serve every import and require from there.',
    ),
    '.SH COMMANDS',
    ...commands.flatMap(commandLines),
    '.SH EXIT STATUS',
    ...EXIT_CODES.flatMap(([code, what]) => ['.TP', `.B ${code}`, roff(what)]),
    '.PP',
    roff(
      'walla run ends as the program or its launcher does: with its exit status, or by its signal.',
    ),
    '.SH ENVIRONMENT',
    roff(`${variables.join(', ')}: docs/environment.md explains each. NO_COLOR: no colours.`),
    '.SH EXAMPLES',
    ...exampleLines(examplesOf(program)),
    '.SH SEE ALSO',
    String.raw`.BR collfs (3),`,
    String.raw`.BR mpirun (1),`,
    String.raw`.BR srun (1)`,
    '',
  ].join('\n');
}

function commandLines(described: DescribedCommand): string[] {
  const { usage, description, options, arguments: operands, command } = described;
  const told = operands.filter((operand) => operand.description !== '');
  return [
    `.SS ${roff(usage)}`,
    roff(`${description}.`),
    ...told.flatMap((operand) => ['.TP', `.I ${roff(operand.name)}`, roff(operand.description)]),
    ...options.flatMap((option) => {
      const value = option.value === undefined ? '' : ` \\fI${roff(option.value)}\\fR`;
      const choices = option.choices.length > 0 ? ` (${option.choices.join(', ')})` : '';
      return [
        '.TP',
        `${optionNames(option)
          .map((name) => `\\fB${roff(name)}\\fR`)
          .join(', ')}${value}`,
        roff(option.description + choices),
      ];
    }),
    ...exampleLines(examplesOf(command)),
  ];
}

function exampleLines(examples: readonly Example[]): string[] {
  return examples.flatMap(([words, what]) => [
    '.PP',
    roff(`${what}:`),
    '.PP',
    '.RS 4',
    '.nf',
    roff(words),
    '.fi',
    '.RE',
  ]);
}

/** Text in which troff sees nothing of its own. */
function roff(text: string): string {
  return text
    .replaceAll('\\', '\\e')
    .replaceAll('-', '\\-')
    .replaceAll('’', "'")
    .replace(/^(?=[.'])/gm, '\\&');
}
