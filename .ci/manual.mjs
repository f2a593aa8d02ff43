/** Writes docs/man/walla.1 from the command line: node --import tsx .ci/manual.mjs */
import { writeFileSync } from 'node:fs';
import { buildProgram } from '../stage/cli/commands.ts';
import { manual } from '../stage/cli/manual.ts';

writeFileSync(new URL('../docs/man/walla.1', import.meta.url), manual(await buildProgram()));
