/** Runs a case plain and staged, and compares what can be seen from outside. */
import assert from 'node:assert/strict';
import { spawnSync, type SpawnSyncReturns } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { nodeVersions, type NodeVersion } from '../node-versions/index.ts';
import { cleanEnvironment, cli, packageRoot, preload } from '../run-node.ts';
import { type Case, CaseTree, readCase, type Run, whyNot } from './case-file.ts';

const LONGEST_RUN_MS = 180_000;
const folder = new URL('./cases/', import.meta.url);

/** Registers one test for each Node.js version and each case whose file name matches. */
export function testCases(select: RegExp): void {
  const names = readdirSync(folder).filter((name) => name.endsWith('.txt') && select.test(name));
  for (const node of nodeVersions) {
    for (const name of names) {
      const conformance = readCase(new URL(name, folder));
      test(
        `${conformance.name}: staged as plain on Node.js ${node.major}`,
        { skip: whyNot(conformance) },
        async (t) => {
          const tree = new CaseTree(conformance);
          try {
            for (const run of conformance.runs) {
              if (!isFor(run, node)) continue;
              await t.test(run.text, () => {
                compare(run, tree, node, archiveFor(run, conformance, tree, node));
              });
            }
          } finally {
            tree.remove();
          }
        },
      );
    }
  }
}

/** Whether a run is meant for this Node.js. */
export function isFor({ since, until }: Run, node: NodeVersion): boolean {
  return node.major >= since && node.major < until;
}

/** Packs the case's entries the first time. An archive is good for one set of conditions. */
export function archiveFor(
  { args }: Run,
  { entries }: Case,
  tree: CaseTree,
  node: NodeVersion,
): string {
  const conditions = args.filter((word) => /^--conditions=|^--preserve-symlinks$/.test(word));
  const archive = join(tree.root, '.walla', `${['case', ...conditions].join('-')}.walla`);
  if (!existsSync(archive)) {
    const words = [
      ...conditions,
      cli,
      'pack',
      '--quiet',
      '-o',
      archive,
      ...entries.map((word) =>
        word.startsWith('--') ? word.replaceAll('{root}', tree.root) : join(tree.root, word),
      ),
    ];
    const said = start(node, words, '/');
    assert.equal(said.at(-1), 'ended with 0', said.join('\n'));
  }
  return archive;
}

function compare(run: Run, tree: CaseTree, node: NodeVersion, archive: string): void {
  const fill = (word: string) =>
    word
      .replaceAll('{root}', tree.root)
      .replaceAll('{repo}', packageRoot)
      .replaceAll('{node}', node.path);
  const args = run.args.map(fill);
  const { plain, staged } = withPreload(args, run.env);
  const one = start(node, plain.args, tree.root, plain.env);
  const other = start(node, staged.args, tree.root, { ...staged.env, WALLA_ARCHIVE: archive });
  const difference = differing(one, other);
  if (difference !== '') assert.fail(`plain (-) and staged (+) differ:\n${difference}`);
}

interface Command {
  args: readonly string[];
  env: Record<string, string>;
}

/** The same command without and with walla: where `{stage}` stands, or before all else. */
function withPreload(
  args: readonly string[],
  env: Record<string, string>,
): { plain: Command; staged: Command } {
  const at = args.indexOf('{stage}');
  const flag = args[at - 2] === '-r' ? ['-r', preload] : [`--import=${preload}`];
  const isInEnv = Object.values(env).includes('{stage}');
  const fillEnv = (by: string) =>
    Object.fromEntries(
      Object.entries(env).map(([name, value]) => [name, value.replace('{stage}', by)]),
    );
  const first = isInEnv ? args : ['-r', preload, ...args];
  return {
    plain: { args: args.filter((word) => word !== '{stage}'), env: fillEnv('') },
    staged: {
      args: at < 0 ? first : args.toSpliced(at, 1, ...flag),
      env: fillEnv(`--import=${preload}`),
    },
  };
}

/** Everything a run shows, as lines. */
export function start(
  node: NodeVersion,
  args: readonly string[],
  cwd: string,
  env: Record<string, string> = {},
): string[] {
  return linesOf(
    spawnSync(node.path, args, {
      cwd,
      env: { ...cleanEnvironment(), ...env },
      encoding: 'utf8',
      timeout: LONGEST_RUN_MS,
      killSignal: 'SIGKILL',
      maxBuffer: Infinity,
    }),
  );
}

/** What is compared of a process that has ended. */
export function linesOf({
  status,
  signal,
  stdout,
  stderr,
}: Pick<SpawnSyncReturns<string>, 'status' | 'signal' | 'stdout' | 'stderr'>): string[] {
  return [
    ...stdout.replace(/duration_ms:? [\d.]+/g, 'duration_ms').split('\n'),
    ...withoutLocations(stderr)
      .split('\n')
      .map((line) => `stderr: ${line}`),
    `ended with ${status ?? signal}`,
  ];
}

/** Lines up to the common end that only one side has; both sides mostly differ in few lines. */
export function differing(plain: readonly string[], staged: readonly string[]): string {
  const lines: string[] = [];
  let p = 0;
  let s = 0;
  while (p < plain.length || s < staged.length) {
    const left = plain[p];
    const right = staged[s];
    if (left === right) {
      p++;
      s++;
    } else if (left !== undefined && !staged.includes(left, s)) {
      lines.push(`- ${left}`);
      p++;
    } else if (right !== undefined) {
      lines.push(`+ ${right}`);
      s++;
    } else {
      lines.push(`- ${left}`);
      p++;
    }
  }
  return lines.join('\n');
}

/**
 * An uncaught error shows the line of source that threw it, and its stack the calls inside Node.js:
 * both differ where walla answers instead, and nothing else may.
 */
function withoutLocations(stderr: string): string {
  const own = '\\S*/dist/(?:stage\\.cjs|hooks-thread\\.mjs)';
  return stderr
    .replace(/^walla: using .* although it is out of date: .*\n/gm, '')
    .replace(/^\(node:\d+\)/gm, '(node:PID)')
    .replace(new RegExp(`^\\n*(?:node:|${own}).*:\\d+\\n.*\\n\\s*\\^+\\n+`, 'm'), '')
    .replace(new RegExp(`^    at .*(?:node:|${own}).*\\n`, 'gm'), '')
    .replace(/^\n+/, '')
    .replace(/ \{$/gm, '');
}
