/** The program file that Node.js is about to run. */
import { realpathSync } from 'node:fs';
import { Module } from '../loader/node-internals.ts';
import { WallaError } from './errors.ts';

/** The path in argv[1], or undefined where there is no program file (-e, -p, stdin, the REPL). */
export function givenEntry(): string | undefined {
  const evaluated = process.execArgv.some((argument) =>
    /^(-e|--eval|-p|--print|-pe|-i|--interactive|--test|-c|--check)(=|$)/.test(argument),
  );
  const given = process.argv[1];
  return !evaluated && given?.startsWith('/') ? given : undefined;
}

/**
 * Finds the entry's real file as Node.js does: with extensions, a directory's main, links followed.
 * @throws WallaError ERR_WALLA_NO_ENTRY
 */
export function resolveEntry(given: string): string {
  try {
    return realpathSync(Module._resolveFilename(given, null, true));
  } catch (error) {
    throw new WallaError('ERR_WALLA_NO_ENTRY', `there is no program ${given}`, {
      cause: error,
      program: given,
    });
  }
}
