import type { Command } from 'commander';
import type { Check } from '../doctor/check.ts';
import { addExamples } from './examples.ts';
import { paint, type Style } from './paint.ts';
import { formatName } from './text.ts';

interface Flags {
  json?: boolean;
  quiet?: boolean;
}

const MARKS: Record<Check['status'], readonly [mark: string, style: Style]> = {
  ok: ['ok   ', 'green'],
  warns: ['warns', 'yellow'],
  stops: ['STOPS', 'red'],
};

/** Adds `walla doctor`. */
export function doctorCommand(program: Command): void {
  const command = program
    .command('doctor')
    .description('look at this node, and say what would stop a job and how to mend it')
    .argument('[program]', 'look at its archive and its file system too')
    .option('--json', 'print the findings as JSON on stdout')
    .option('-q, --quiet', 'print only what stops a job')
    .action(run);
  addExamples(command, [
    ['walla doctor', 'this node'],
    ['walla doctor app.mjs', 'and the archive and file system of a program'],
    ['srun -N 4 --ntasks-per-node=1 walla doctor -q app.mjs', 'what stops a job on four nodes'],
  ]);
}

async function run(program: string | undefined, flags: Flags): Promise<void> {
  const { examine } = await import('../doctor/examine.ts');
  const checks = examine(program, process.env);
  const ok = checks.every(({ status }) => status !== 'stops');
  if (!ok) process.exitCode = 1;
  if (flags.json) {
    process.stdout.write(`${JSON.stringify({ ok, checks }, null, 2)}\n`);
    return;
  }
  for (const { name, status, found, hint } of checks) {
    if (flags.quiet && status !== 'stops') continue;
    const [mark, style] = MARKS[status];
    process.stdout.write(
      `${paint(process.stdout, style, mark)} ${name}: ${formatName(found)}\n` +
        (hint === undefined ? '' : `      hint: ${hint}\n`),
    );
  }
}
