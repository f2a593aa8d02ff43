#!/usr/bin/env node
import { Command, CommanderError } from 'commander';
import { cleanCommand } from './cli/clean.ts';
import { lsCommand } from './cli/ls.ts';
import { packCommand } from './cli/pack.ts';
import { reportCommand } from './cli/report.ts';
import { verifyCommand } from './cli/verify.ts';
import { WallaError } from './errors.ts';
import { WALLA_VERSION } from './version.ts';

const EXIT_FAILURE = 1;
const EXIT_USAGE = 2;

const program = new Command('walla')
  .description('Packs a Node.js program into one archive and starts it from there on every node.')
  .version(WALLA_VERSION)
  .showSuggestionAfterError()
  .exitOverride()
  .configureOutput({ outputError: () => undefined });

for (const add of [packCommand, lsCommand, verifyCommand, cleanCommand, reportCommand])
  add(program);
for (const command of program.commands) command.copyInheritedSettings(program);

process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  // The reader of a pipe (`walla ls … | head`) has seen enough.
  if (error.code === 'EPIPE') process.exit(0);
  throw error;
});

try {
  await program.parseAsync();
} catch (error) {
  process.exitCode = report(error);
}

/** Prints what went wrong on stderr. Returns the exit code. */
function report(error: unknown): number {
  if (error instanceof CommanderError) {
    // --help and --version end with this too.
    if (error.exitCode === 0) return 0;
    if (error.code === 'commander.help') return EXIT_USAGE;
    const message = error.message.replace(/^error: /, '').replaceAll('\n', ' ');
    process.stderr.write(new WallaError('ERR_WALLA_USAGE', message).report());
    return EXIT_USAGE;
  }
  const failure = WallaError.from(error);
  process.stderr.write(failure.report());
  return failure.code === 'ERR_WALLA_USAGE' ? EXIT_USAGE : EXIT_FAILURE;
}
