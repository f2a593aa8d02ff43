#!/usr/bin/env node
import { type Command, CommanderError } from 'commander';
import { buildProgram } from './cli/commands.ts';
import { paintReport } from './cli/paint.ts';
import { usageMessage } from './cli/usage-message.ts';
import { WallaError } from './errors.ts';

const EXIT_FAILURE = 1;
const EXIT_USAGE = 2;

process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  // The reader of a pipe (`walla ls … | head`) has seen enough.
  if (error.code === 'EPIPE') process.exit(0);
  throw error;
});

let program: Command | undefined;
try {
  program = await buildProgram(process.argv[2]);
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
    const message = program ? usageMessage(error, program) : error.message;
    process.stderr.write(paintReport(new WallaError('ERR_WALLA_USAGE', message)));
    return EXIT_USAGE;
  }
  const failure = WallaError.from(error);
  process.stderr.write(paintReport(failure));
  return failure.code === 'ERR_WALLA_USAGE' ? EXIT_USAGE : EXIT_FAILURE;
}
