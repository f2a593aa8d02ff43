import type { Command, CommanderError } from 'commander';
import { nearMiss } from '../../native/near-miss.ts';
import { describeCommands, optionNames } from './command-tree.ts';

/** What is wrong with a command line. Of options that are given as `--name=value` commander suggests none. */
export function usageMessage(error: CommanderError, program: Command): string {
  const message = error.message.replace(/^error: /, '').replaceAll('\n', ' ');
  const [, option] = /^unknown option '(--[^=]+)=.*'$/.exec(message) ?? [];
  if (option === undefined) return message;
  const names = describeCommands(program).flatMap(({ options }) => options.flatMap(optionNames));
  return `unknown option '${option}'${nearMiss(option, names)}`;
}
