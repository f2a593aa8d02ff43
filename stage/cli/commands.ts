/** The commands, each in a file that is loaded only when its command is asked for. */
import { Command } from 'commander';
import { WALLA_VERSION } from '../version.ts';
import { addExamples } from './examples.ts';

/** Adds one command to the program. */
export type AddCommand = (program: Command) => void;

export const COMMANDS: Readonly<Record<string, () => Promise<AddCommand>>> = {
  pack: async () => (await import('./pack.ts')).packCommand,
  run: async () => (await import('./run.ts')).runCommand,
  stage: async () => (await import('./stage.ts')).stageCommand,
  ls: async () => (await import('./ls.ts')).lsCommand,
  cat: async () => (await import('./cat.ts')).catCommand,
  verify: async () => (await import('./verify.ts')).verifyCommand,
  diff: async () => (await import('./diff.ts')).diffCommand,
  explain: async () => (await import('./explain.ts')).explainCommand,
  doctor: async () => (await import('./doctor.ts')).doctorCommand,
  clean: async () => (await import('./clean.ts')).cleanCommand,
  report: async () => (await import('./report.ts')).reportCommand,
  completion: async () => (await import('./completion.ts')).completionCommand,
};

/** How `walla` ends, for its help and its manual page; docs/cli.md says the same. */
export const EXIT_CODES = [
  [0, 'done'],
  [1, 'a failure: stderr has a code and a hint (doctor: something would stop a job)'],
  [2, 'wrong usage'],
  [3, 'the answer is no: diff found differences, explain found nothing'],
] as const;

/**
 * The tree of commands.
 * @param only load this command alone; all of them if it is none
 */
export async function buildProgram(only?: string): Promise<Command> {
  const program = new Command('walla')
    .description('Packs a Node.js program into one archive and starts it from there on every node.')
    .version(WALLA_VERSION)
    .usage('COMMAND [options]')
    .showSuggestionAfterError()
    .configureHelp({ styleTitle: (title) => `\x1b[1m${title}\x1b[22m` })
    .exitOverride()
    .configureOutput({ outputError: () => undefined });
  addExamples(program, [
    ['walla pack app.mjs -o app.walla', 'write the archive'],
    ['walla run -n 4 -- node app.mjs', 'pack if needed, and start four ranks'],
    ['walla doctor', 'find out what would stop a job here'],
  ]);
  program.addHelpText('after', exitCodes());
  const chosen = only !== undefined && Object.hasOwn(COMMANDS, only) ? COMMANDS[only] : undefined;
  for (const load of chosen ? [chosen] : Object.values(COMMANDS)) (await load())(program);
  for (const command of program.commands) command.copyInheritedSettings(program);
  return program;
}

function exitCodes(): string {
  return `\nExit codes:\n${EXIT_CODES.map(([code, what]) => `  ${code}  ${what}`).join('\n')}`;
}
