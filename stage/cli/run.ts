import { Option, type Command } from 'commander';
import { WallaError } from '../errors.ts';
import { addExamples } from './examples.ts';
import { placeBar } from './progress.ts';
import type { RunSummary } from '../run/run-summary.ts';

interface Flags {
  ranks?: number;
  launcher?: string;
  archive?: string;
  stale?: 'check' | 'error' | 'lockfile' | 'use';
  onError?: string;
  keep?: boolean;
  report?: string;
  dir?: string;
  transport?: string;
  mpi?: string;
  timeout?: string;
  shadow: boolean;
  prestage: boolean;
  verbose?: boolean;
  quiet?: boolean;
  json?: string;
}

/** Adds `walla run`. */
export function runCommand(program: Command): void {
  program.enablePositionalOptions();
  const command = program
    .command('run')
    .description('pack a program if needed, place it on the nodes, and start it there')
    .usage('[options] -- node [FLAGS] PROGRAM [ARGUMENTS]')
    .argument('<program...>', 'node, its flags, the program and its arguments')
    .passThroughOptions()
    .addOption(
      new Option('-n, --ranks <number>', 'start so many ranks by a launcher').argParser(readRanks),
    )
    .option(
      '--launcher <words>',
      'what starts ranks, with its options (default: mpirun, mpiexec, srun or flux run where -n is given); none: run alone',
    )
    .option('--archive <file>', 'path or URL of the archive (WALLA_ARCHIVE)')
    .addOption(
      new Option(
        '--stale <how>',
        'when the tree has changed: check packs again, error refuses; lockfile compares lock files alone, use accepts all and says so (WALLA_STALE)',
      ).choices(['check', 'error', 'lockfile', 'use']),
    )
    .addOption(
      new Option('--on-error <how>', 'when staging fails (WALLA_ON_ERROR)').choices([
        'stop',
        'fallback',
      ]),
    )
    .option('--keep', 'leave the image and walla on the nodes (WALLA_KEEP)')
    .option('--report <file>', 'write what the archive lacks (WALLA_REPORT)')
    .option('--dir <directory>', 'node-local directory to stage into (WALLA_DIR)')
    .addOption(
      new Option('--transport <name>', 'how the image gets to the nodes (WALLA_TRANSPORT)').choices(
        ['auto', 'mpi', 'file', 'http', 'self'],
      ),
    )
    .addOption(
      new Option('--mpi <name>', 'which MPI to load (WALLA_MPI)').choices([
        'openmpi',
        'mpich',
        'off',
        'release',
      ]),
    )
    .option('--timeout <seconds>', 'how long ranks wait for each other (WALLA_TIMEOUT)')
    .option('--no-shadow', 'leave reads through fs to the real file system (WALLA_SHADOW=off)')
    .option('--no-prestage', 'have the ranks place the archive themselves')
    .option('--verbose', 'one line of what staging did (WALLA_VERBOSE)')
    .option('--json <file>', 'write how the job was staged and ended; -: to stderr')
    .option('-q, --quiet', 'print nothing but errors and what the program prints')
    .action(start);
  addExamples(command, [
    ['walla run -n 4 -- node app.mjs', 'four ranks by mpirun'],
    ['walla run --launcher "srun -N 4" -- node app.mjs', 'in a Slurm allocation'],
    ['walla run -- node --enable-source-maps app.mjs --size 8', 'alone, with flags and arguments'],
    ['walla run -n 4 --archive app.walla --stale=use -- node app.mjs', 'with an archive as it is'],
  ]);
}

function readRanks(text: string): number {
  if (/^[1-9]\d{0,6}$/.test(text)) return Number(text);
  throw new WallaError('ERR_WALLA_USAGE', `"${text}" is no number of ranks`, {
    hint: 'walla run -n 4 -- node app.mjs',
  });
}

async function start(words: string[], flags: Flags): Promise<void> {
  const { AlreadyTold, run } = await import('../run/run.ts');
  const { SummaryFile } = await import('../run/run-summary.ts');
  const { stale } = flags;
  const file = flags.json === undefined ? undefined : new SummaryFile(flags.json);
  const summary: RunSummary = {
    program: words,
    launcher: [],
    ranks: flags.ranks ?? null,
    archive: null,
    packed: null,
    prestaged: null,
    programMs: null,
    exitCode: null,
    signal: null,
    error: null,
  };
  const say = (line: string) => {
    if (!flags.quiet) process.stderr.write(`walla: ${line}\n`);
  };
  try {
    await run({
      program: words,
      launcher: flags.launcher,
      ranks: flags.ranks,
      variables: {
        WALLA_ARCHIVE: flags.archive,
        WALLA_STALE: stale === 'error' ? 'check' : stale,
        WALLA_ON_ERROR: flags.onError,
        WALLA_KEEP: flags.keep ? '1' : undefined,
        WALLA_REPORT: flags.report,
        WALLA_DIR: flags.dir,
        WALLA_TRANSPORT: flags.transport,
        WALLA_MPI: flags.mpi,
        WALLA_TIMEOUT: flags.timeout,
        WALLA_SHADOW: flags.shadow ? undefined : 'off',
        WALLA_VERBOSE: flags.verbose ? '1' : undefined,
      },
      packedOnly: stale === 'error',
      prestage: flags.prestage,
      say,
      summary,
      onEnd: () => file?.write(summary),
      watch: (what) => placeBar(what, flags.quiet === true),
    });
  } catch (error) {
    const told = error instanceof AlreadyTold;
    if (!told) {
      const { code, message } = WallaError.from(error);
      summary.error = { code, message };
    }
    file?.write(summary);
    if (!told) throw error;
    process.exitCode ??= 1;
  }
}
