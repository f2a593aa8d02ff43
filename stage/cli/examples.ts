import type { Command } from 'commander';

/** What to type, and what it does. */
export type Example = readonly [words: string, what: string];

const EXAMPLES = new WeakMap<Command, readonly Example[]>();

/** Shows examples below the help of a command. */
export function addExamples(command: Command, examples: readonly Example[]): Command {
  EXAMPLES.set(command, examples);
  const lines = examples.map(([words, what]) => `  $ ${words}\n      ${what}`);
  return command.addHelpText('after', `\nExamples:\n${lines.join('\n')}`);
}

/** The examples of a command, for the manual page. */
export function examplesOf(command: Command): readonly Example[] {
  return EXAMPLES.get(command) ?? [];
}
