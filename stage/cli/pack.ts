import { rm } from 'node:fs/promises';
import { InvalidArgumentError, Option, type Command } from 'commander';
import type { PackagesSummary } from '../pack/lockfile/locked-tree.ts';
import type { PackSummary } from '../pack/pack.ts';
import { addExamples } from './examples.ts';
import { progressBar } from './progress.ts';
import { formatBytes } from '../format-bytes.ts';
import { count, formatName } from './text.ts';

interface Flags {
  output?: string;
  record?: boolean;
  learn?: string;
  include: string[];
  exclude: string[];
  conditions: string[];
  codeCache?: boolean;
  lockfile?: string;
  omit: string[];
  ignoreScripts?: boolean;
  gzip?: boolean;
  json?: boolean;
  quiet?: boolean;
  dryRun?: boolean;
}

const collect = (value: string, before: string[]) => [...before, value];

const OMITTED = ['dev', 'optional', 'peer'];

function collectOmitted(value: string, before: string[]): string[] {
  if (OMITTED.includes(value)) return [...before, value];
  throw new InvalidArgumentError(`It is one of ${OMITTED.join(', ')}.`);
}

/** Adds `walla pack`. */
export function packCommand(program: Command): void {
  const command = program
    .command('pack')
    .description('write a program and everything it can load into one archive')
    .usage('[options] ENTRY... [-- ARGUMENTS]')
    .argument(
      '<entry...>',
      'programs to pack; with --record or --code-cache, arguments of the run follow --',
    )
    .option('-o, --output <file>', 'archive to write (default: in .walla beside the first entry)')
    .option('--record', 'run the first entry once and add what it loads and reads')
    .option('--learn <file>', 'add what a run with WALLA_REPORT=<file> missed')
    .option(
      '--include <glob>',
      'add files, or a whole package by its name; repeatable',
      collect,
      [],
    )
    .option('--exclude <glob>', 'leave files or a package out; repeatable', collect, [])
    .addOption(
      new Option('-C, --conditions <name>', 'condition for exports and imports; repeatable')
        .argParser(collect)
        .default([]),
    )
    .option(
      '--code-cache',
      'run the first entry once and take the code that V8 compiled (Node.js 22 and later)',
    )
    .option('--no-code-cache', 'leave out what V8 makes of each module (Node.js 22 and later)')
    .option('--lockfile <file>', "take packages from npm's registry, as its lock file says")
    .option(
      '--omit <type>',
      'with --lockfile: leave out dev, optional or peer; repeatable',
      collectOmitted,
      [],
    )
    .option(
      '--ignore-scripts',
      'with --lockfile: pack packages that need an install script as they are',
    )
    .option('--gzip', 'write FILE.gz instead, for storage and slow links')
    .option('--dry-run', 'find out what would be packed, write nothing')
    .option('--json', 'print the summary as JSON on stdout')
    .option('-q, --quiet', 'print nothing but errors')
    .action(async (operands: string[], flags: Flags, command: Command) => {
      const [entries, args] = splitOperands(operands, command.parent?.args ?? []);
      await run(entries, args, flags);
    });
  addExamples(command, [
    ['walla pack app.mjs -o app.walla', 'pack a program'],
    ['walla pack app.mjs --record -- --size 8', 'and what one run with these arguments loads'],
    ["walla pack app.mjs --include 'locale/**' --exclude '**/*.map'", 'more, and less'],
    ['walla pack app.mjs --learn report.json', 'and what a run with WALLA_REPORT missed'],
  ]);
}

/** commander drops the `--` that separates entries from the arguments of a recorded run. */
function splitOperands(operands: string[], raw: string[]): [entries: string[], args: string[]] {
  const dashes = raw.indexOf('--');
  const after = dashes === -1 ? 0 : raw.length - dashes - 1;
  const at = operands.length - after;
  return [operands.slice(0, at), operands.slice(at)];
}

async function run(entries: string[], args: string[], flags: Flags): Promise<void> {
  const { pack } = await import('../pack/pack.ts');
  const { resolutionRules } = await import('../resolution-rules.ts');
  const bar = await progressBar(flags.quiet === true);
  let summary: PackSummary;
  try {
    summary = await pack({
      entries,
      output: flags.output,
      include: flags.include,
      exclude: flags.exclude,
      conditions: [...resolutionRules().conditions, ...flags.conditions],
      record: flags.record ? args : undefined,
      codeCache: flags.codeCache === true ? args : flags.codeCache,
      learn: flags.learn,
      lockfile: flags.lockfile,
      omit: flags.omit,
      ignoreScripts: flags.ignoreScripts,
      dryRun: flags.dryRun,
      progress: bar,
    });
  } finally {
    bar.stop();
  }
  const { file, vanished, packages, failedToCompile } = summary;
  if (packages && !flags.quiet && !flags.json)
    process.stderr.write(`walla: ${packagesSentence(packages)}\n`);
  if (vanished.length > 0) process.stderr.write(`walla: ${goneSentence(vanished)}\n`);
  if (failedToCompile !== undefined && !flags.quiet)
    process.stderr.write(
      `walla: no code caches, the program runs without: compiling the modules failed (${failedToCompile})\n`,
    );
  if (flags.gzip && !flags.dryRun) {
    const { gzipFile } = await import('../pack/gzip.ts');
    await gzipFile(file, `${file}.gz`);
    // The plain archive was only a step towards the compressed one, unless it is the cached one.
    if (flags.output !== undefined) await rm(file);
    summary = { ...summary, file: `${file}.gz` };
  }
  if (flags.json) process.stdout.write(`${JSON.stringify(summary, null, 2)}\n`);
  else if (!flags.quiet)
    process.stderr.write(`walla: ${sentence(summary, flags.dryRun === true)}\n`);
}

/** How many missing files the line lists. */
const LISTED_FILES = 8;

function goneSentence(paths: string[]): string {
  const listed = paths.slice(0, LISTED_FILES).map(formatName).join(', ');
  const more = paths.length - LISTED_FILES;
  return `not there any more, not packed: ${listed}${more > 0 ? ` and ${more} more` : ''}`;
}

function packagesSentence({ packages, downloaded, receivedBytes }: PackagesSummary): string {
  const kept = packages - downloaded;
  return `${count(packages, 'package')}: ${downloaded} downloaded (${formatBytes(receivedBytes)}), ${kept} kept from before`;
}

function sentence(summary: PackSummary, dryRun: boolean): string {
  const { counts, dataBytes } = summary.manifest;
  const what = [
    count(counts.files, 'file'),
    count(counts.natives, 'native'),
    count(counts.resolutions, 'resolution'),
  ];
  const { codeCache } = summary.manifest;
  if (codeCache) what.push(count(codeCache.count, 'code cache'));
  const seconds = (summary.elapsedMs / 1000).toFixed(1);
  const list = what.join(', ');
  if (dryRun) return `would pack ${list}, ${formatBytes(dataBytes)}`;
  if (!summary.written) return `${summary.file} is up to date: ${list}, ${formatBytes(dataBytes)}`;
  return `packed ${list}, ${formatBytes(summary.bytes)} into ${summary.file} in ${seconds} s`;
}
