/** What `walla run` does, top to bottom: find the program, pack, prestage, start the ranks, tidy up. */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { basename } from 'node:path';
import { packageDirectory } from '../../native/addon-path.ts';
import { detectLauncher } from '../../native/launcher.ts';
import { WallaError } from '../errors.ts';
import { formatBytes } from '../format-bytes.ts';
import { guardedPreload } from '../guarded-preload.ts';
import { readOptions } from '../options.ts';
import { type Ended, endLike, runForeground } from './foreground.ts';
import {
  chooseLauncher,
  type LauncherCommand,
  perNodeWords,
  rankWords,
} from './launcher-command.ts';
import type { OnBytes } from '../transport/transport.ts';
import type { Prestaged } from './prestage.ts';
import type { Probed } from './probe.ts';
import { removePrestaged } from './remove-prestaged.ts';
import type { RunSummary } from './run-summary.ts';

export interface RunOptions {
  /** `node`, its flags, the program and its arguments. */
  program: readonly string[];
  launcher: string | undefined;
  ranks: number | undefined;
  /** WALLA_* variables for this job; those that are undefined stay as they are. */
  variables: Readonly<Record<string, string | undefined>>;
  /** A cached archive that is out of date is an error instead of packed again. */
  packedOnly: boolean;
  prestage: boolean;
  /** One line a job of what walla does. */
  say: (line: string) => void;
  /** Shows that an archive is being placed, and how far; undefined where nobody watches. */
  watch: (what: string) => Promise<Watch | undefined>;
  /** Filled in on the way; told once the job is over, before this process ends as it did. */
  summary: RunSummary;
  onEnd: () => void;
}

export interface Watch {
  onBytes: OnBytes;
  stop: () => void;
}

const REMOVE_TIMEOUT_MS = 60_000;

/**
 * Runs a program to its end, and has this process end as it did.
 * @throws WallaError; AlreadyTold
 */
export async function run(options: RunOptions): Promise<void> {
  refuseRank();
  const env: NodeJS.ProcessEnv = { ...process.env };
  for (const [name, value] of Object.entries(options.variables))
    if (value !== undefined) env[name] = value;
  const staging = readOptions(env);
  const launcher = chooseLauncher(options.launcher, options.ranks, env);
  const { summary } = options;
  summary.launcher = launcher.words;
  const probed = probe(options, env);
  const archive = staging.archive ?? (await packed(probed, options, env, staging.stale));
  summary.archive = archive ?? null;
  const job: JobContext = { options, env, launcher, fallback: staging.onError === 'fallback' };
  const prestaged =
    archive !== undefined && options.prestage
      ? await prestageFor(job, archive, staging.keep)
      : undefined;
  const start = performance.now();
  const ended = await runForeground(
    [...rankWords(launcher, exportedNames(env)), ...programWords(options.program, prestaged)],
    {
      env,
      onEnded: (ended) => {
        summary.programMs = performance.now() - start;
        if (prestaged && !staging.keep) tidyUp(job, prestaged, ended);
      },
    },
  );
  end(options, ended);
}

function end({ summary, onEnd }: RunOptions, ended: Ended): void {
  summary.exitCode = ended.status;
  summary.signal = ended.signal;
  onEnd();
  endLike(ended);
}

interface JobContext {
  options: RunOptions;
  env: NodeJS.ProcessEnv;
  launcher: LauncherCommand;
  fallback: boolean;
}

/** `mpirun -n 4 walla run ...` would start as many jobs as there are ranks. */
function refuseRank(): void {
  const { size = 2 } = detectLauncher(process.env);
  if (size > 1)
    throw new WallaError('ERR_WALLA_USAGE', `this process is one of ${size} ranks already`, {
      hint: 'start walla run once: it starts the ranks (walla run --launcher "srun -N 2" -- node app.mjs)',
    });
}

/** Node.js says what it would run. */
function probe({ program, summary }: RunOptions, env: NodeJS.ProcessEnv): Probed {
  const [node, ...rest] = program;
  if (node === undefined || !basename(node).startsWith('node'))
    throw new WallaError(
      'ERR_WALLA_USAGE',
      node === undefined ? 'there is no program to run' : `"${node}" is not node`,
      { hint: 'walla run -n 4 -- node app.mjs' },
    );
  const { status, signal, stdout, error } = spawnSync(
    node,
    ['-r', `${packageDirectory()}/dist/probe.cjs`, ...rest],
    { env: { ...env, WALLA: 'off' }, stdio: ['ignore', 'pipe', 'inherit'], encoding: 'utf8' },
  );
  if (error)
    throw new WallaError('ERR_WALLA_USAGE', `cannot start ${node}: ${error.message}`, {
      hint: 'give the path of node, or load the module that has it',
    });
  const probed = parseLine(stdout) as Probed | undefined;
  if (status === 0 && probed) return probed;
  const how = `${program.join(' ')} does not start: node ended with ${signal ?? status ?? '?'}`;
  // The probe, or what Node.js loads before it, has said why.
  if (status === 1) {
    summary.error = { code: null, message: how };
    throw new AlreadyTold();
  }
  throw new WallaError('ERR_WALLA_NO_ENTRY', how);
}

/** The program's archive, packed if need be. Undefined where there is no program file, which the ranks will say. */
async function packed(
  { entry, archive, node, flags, conditions }: Probed,
  options: RunOptions,
  env: NodeJS.ProcessEnv,
  stale: string,
): Promise<string | undefined> {
  if (entry === undefined || archive === undefined) return undefined;
  if (options.packedOnly) {
    env['WALLA_ARCHIVE'] = archive;
    return archive;
  }
  // Only `check` has the ranks pack again: what the others accept must not change before they do.
  if (stale !== 'check' && existsSync(archive)) return archive;
  const packEnv = { ...env, WALLA: 'off' };
  delete (packEnv as NodeJS.ProcessEnv)['NODE_OPTIONS'];
  const words = [
    node,
    ...flags,
    `${packageDirectory()}/dist/cli.js`,
    'pack',
    '--json',
    ...conditions.flatMap((condition) => ['--conditions', condition]),
    '-o',
    archive,
    entry,
  ];
  const { status, signal, stdout } = await runForeground(words, { env: packEnv, collect: true });
  if (status !== 0) {
    // Told already. The ranks may go on without.
    if (env['WALLA_ON_ERROR'] === 'fallback') return undefined;
    options.summary.error = { code: null, message: 'packing failed' };
    end(options, { status, signal, stdout });
    throw new AlreadyTold();
  }
  const summary = JSON.parse(stdout) as { written: boolean; bytes: number; elapsedMs: number };
  if (summary.written) {
    options.summary.packed = { bytes: summary.bytes, ms: summary.elapsedMs };
    options.say(
      `packed ${formatBytes(summary.bytes)} into ${archive} in ${seconds(summary.elapsedMs)}`,
    );
  }
  return archive;
}

/** A command that this one started has said what is wrong. */
export class AlreadyTold extends Error {}

async function prestageFor(
  { options, env, launcher, fallback }: JobContext,
  archive: string,
  keep: boolean,
): Promise<Prestaged | undefined> {
  const words = perNodeWords(launcher, exportedNames(env), env);
  if (!Array.isArray(words)) {
    options.say(`not prestaged: ${words.whyNot}`);
    return undefined;
  }
  const watch = await options.watch(`placing ${archive} on the nodes`);
  const { status, stdout } = await runForeground(
    [
      ...words,
      options.program[0] ?? 'node',
      `${packageDirectory()}/dist/prestage.cjs`,
      'place',
      archive,
      keep ? 'keep' : 'lease',
      ...(watch ? ['progress'] : []),
    ],
    { env, collect: true, onLine: watch && ((line) => tellProgress(line, watch)) },
  ).finally(() => watch?.stop());
  const prestaged = joined(stdout);
  if (status === 0 && prestaged) {
    const { identity, bytes, nodes, received, ms } = prestaged;
    options.summary.prestaged = { identity, bytes, nodes, received, ms };
    options.say(
      `${archive}, ${formatBytes(bytes)}, is on ${nodes} node${nodes === 1 ? '' : 's'}, ${received} received it, in ${seconds(ms)}`,
    );
    return prestaged;
  }
  if (fallback) return undefined;
  options.summary.error = { code: null, message: 'placing the archive on the nodes failed' };
  throw new AlreadyTold();
}

/** A line of a transfer that is under way. */
interface Progress {
  doneBytes: number;
  bytes: number;
}

function tellProgress(line: string, watch: Watch): void {
  const said = parseLine(line) as Prestaged | Progress | undefined;
  if (said !== undefined && 'doneBytes' in said) watch.onBytes(said.doneBytes, said.bytes);
}

/** Launchers put marks before lines; without MPI each node says its own. */
function joined(stdout: string): Prestaged | undefined {
  const all = stdout
    .split('\n')
    .map((line) => parseLine(line) as Prestaged | Progress | undefined)
    .filter((line) => line !== undefined && 'identity' in line);
  const [first] = all;
  if (first === undefined) return undefined;
  return {
    ...first,
    nodes: all.reduce((sum, { nodes }) => sum + nodes, 0),
    received: all.reduce((sum, { received }) => sum + received, 0),
    copies: [...new Set(all.flatMap(({ copies }) => copies))],
    ms: Math.max(...all.map(({ ms }) => ms)),
  };
}

/** The object in a line of output. */
function parseLine(line: string): unknown {
  const text = /\{.*\}/.exec(line)?.[0];
  try {
    return text === undefined ? undefined : JSON.parse(text);
  } catch {
    return undefined;
  }
}

function programWords(program: readonly string[], prestaged: Prestaged | undefined): string[] {
  const [node = 'node', ...rest] = program;
  const whole = packageDirectory();
  const preload = prestaged
    ? ['--import', guardedPreload(prestaged.copies, whole)]
    : ['-r', `${whole}/dist/stage.cjs`];
  return [node, ...preload, ...rest];
}

function exportedNames(env: NodeJS.ProcessEnv): string[] {
  return Object.keys(env).filter((name) => name.startsWith('WALLA_') && name !== 'WALLA_ATTACH');
}

/** Ranks that end by themselves remove what they used. Those that were killed do not. */
function tidyUp({ env, launcher }: JobContext, prestaged: Prestaged, ended: Ended): void {
  const names = [prestaged.identity, ...prestaged.copies.map((copy) => basename(copy))];
  try {
    removePrestaged(names, env);
  } catch {
    // The next job sweeps.
  }
  if (ended.status === 0 || prestaged.nodes < 2) return;
  const words = perNodeWords(launcher, exportedNames(env), env);
  if (!Array.isArray(words)) return;
  const [command = '', ...rest] = [
    ...words,
    process.execPath,
    `${packageDirectory()}/dist/prestage.cjs`,
    'remove',
    ...names,
  ];
  spawnSync(command, rest, { env, stdio: 'ignore', timeout: REMOVE_TIMEOUT_MS });
}

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`;
}
