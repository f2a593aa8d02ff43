import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { WallaError } from '../errors.ts';
import { ruleFlags, userConditions } from '../resolution-rules.ts';
import type { Question } from './resolver.ts';
import { packageScopeOf } from './record-scope.ts';

export interface RecordOptions {
  conditions: string[];
  preserveSymlinks: boolean;
  /** Working directory of the run. */
  directory: string;
}

export interface Recorded {
  questions: Question[];
  /** Absolute paths of files the program read. */
  files: string[];
}

type Line =
  | { kind: 'import' | 'require'; parent: string; specifier: string }
  | { kind: 'read'; path: string };

/**
 * Runs a program once, with its output on the terminal, and notes what it loads and reads, in
 * children and workers too. What it reads counts only below the program's own project.
 */
export async function record(
  entry: string,
  args: string[],
  options: RecordOptions,
): Promise<Recorded> {
  const notes = mkdtempSync(join(tmpdir(), 'walla-record-'));
  try {
    const startedMs = Date.now();
    await run(entry, args, notes, options);
    return summarize(readLines(notes), packageScopeOf(entry), startedMs);
  } finally {
    rmSync(notes, { recursive: true, force: true });
  }
}

function run(entry: string, args: string[], notes: string, options: RecordOptions): Promise<void> {
  const recorder = fileURLToPath(new URL('./recorder.cjs', import.meta.url));
  const flags = [
    ...ruleFlags(),
    ...userConditions(options.conditions).map((condition) => `--conditions=${condition}`),
    ...(options.preserveSymlinks ? ['--preserve-symlinks'] : []),
  ];
  const preload = `--require=${JSON.stringify(recorder)}`;
  const child = spawn(process.execPath, [...flags, entry, ...args], {
    cwd: options.directory,
    // The report of the pack goes to stdout, the program's output must not mix with it.
    stdio: ['inherit', 2, 2],
    env: {
      ...process.env,
      WALLA_RECORD: notes,
      NODE_OPTIONS: [process.env['NODE_OPTIONS'], preload].filter(Boolean).join(' '),
    },
  });
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', (code, signal) => {
      if (code === 0) resolve();
      else {
        const how = signal === null ? `exit code ${String(code)}` : `signal ${signal}`;
        const message = `the recorded run of ${entry} ended with ${how}`;
        const hint = 'give the program the arguments it needs after --, or pack without --record';
        reject(new WallaError('ERR_WALLA_PACK', message, { hint }));
      }
    });
  });
}

function readLines(directory: string): Line[] {
  return readdirSync(directory).flatMap((name) =>
    readFileSync(join(directory, name), 'utf8')
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line) as Line),
  );
}

function summarize(lines: Line[], scope: string, startedMs: number): Recorded {
  const questions = new Map<string, Question>();
  const files = new Set<string>();
  for (const line of lines) {
    if (line.kind !== 'read') {
      const { kind, parent, specifier } = line;
      questions.set(`${kind} ${dirname(parent)}\0${specifier}`, { kind, parent, specifier });
      continue;
    }
    const stat = statSync(line.path, { throwIfNoEntry: false });
    // What the run itself wrote is no part of the program.
    const isSource = stat?.isFile() && stat.mtimeMs < startedMs;
    if (isSource && line.path.startsWith(`${scope}/`)) files.add(line.path);
  }
  const byKey = [...questions].sort(([a], [b]) => (a < b ? -1 : 1));
  return { questions: byKey.map(([, question]) => question), files: [...files].sort() };
}
