/** What the tree of commands says of itself, for completions and the manual page. */
import type { Command, Option } from 'commander';

export interface DescribedOption {
  short: string | undefined;
  long: string | undefined;
  /** `<file>`, or undefined for a switch. */
  value: string | undefined;
  choices: readonly string[];
  description: string;
}

export interface DescribedCommand {
  name: string;
  description: string;
  usage: string;
  arguments: { name: string; description: string; choices: readonly string[] }[];
  options: DescribedOption[];
  command: Command;
}

/** The commands in the order of the help, each with `--help`. */
export function describeCommands(program: Command): DescribedCommand[] {
  return program.commands.map((command) => ({
    name: command.name(),
    description: command.description(),
    usage: `${program.name()} ${command.name()} ${command.usage()}`,
    arguments: command.registeredArguments.map((argument) => ({
      name: argument.name(),
      description: argument.description,
      choices: argument.argChoices ?? [],
    })),
    options: command.createHelp().visibleOptions(command).map(describeOption),
    command,
  }));
}

export function describeOption(option: Option): DescribedOption {
  return {
    short: option.short,
    long: option.long,
    value: /[<[].*[\]>]$/.exec(option.flags)?.[0],
    choices: option.argChoices ?? [],
    description: option.description,
  };
}

export function optionNames({ short, long }: DescribedOption): string[] {
  return [short, long].filter((name) => name !== undefined);
}
