/**
 * Runs what the documentation tells its reader to type: the commands of one page, in order, in one shell, in a
 * new project that has the package as it was built. There are at most two ranks, whatever the page says.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { after, describe, test } from 'node:test';
import { cleanEnvironment, installPackage, mpis, packageRoot } from '../run-node.ts';
import { NOT_RUN, reasonNotToRun } from './not-run.ts';
import { type Command, commandsOf, PAGES } from './pages.ts';

const TIMEOUT_MS = 180_000;
const mpi = mpis.find(({ skip }) => skip === false);

const PROGRAM = {
  'package.json': '{ "name": "app", "private": true }\n',
  'app.mjs': `import { word } from './word.mjs';\nconsole.log(word);\n`,
  'word.mjs': `export const word = 'hello';\n`,
  'a.mjs': `console.log('a');\n`,
  'b.mjs': `console.log('b');\n`,
};

/** Stands in for mpirun and mpiexec: at most two ranks, and what it takes to start them as root. */
const MPIRUN = `#!/bin/bash
words=()
while (($# > 0)); do
  case $1 in
    -n | -np) words+=("$1" $(($2 < 2 ? $2 : 2))); shift 2 ;;
    *) break ;;
  esac
done
exec ${[mpi?.command, ...(mpi?.args.filter((word) => /root|oversubscribe/.test(word)) ?? [])].join(' ')} "\${words[@]}" "$@"
`;

/** Stands in for npx, which takes a second to find what is in node_modules/.bin. */
const NPX = '#!/bin/bash\nexec "node_modules/.bin/$1" "${@:2}"\n';

const scratch = realpathSync(mkdtempSync(join(tmpdir(), 'walla-docs-')));
after(() => rmSync(scratch, { recursive: true }));

function makeProject(page: string): string {
  const project = join(scratch, page.replaceAll('/', '-'));
  const example = /^examples\/[^/]+/.exec(page)?.[0];
  mkdirSync(project);
  if (example === undefined)
    for (const [name, text] of Object.entries(PROGRAM)) writeFileSync(join(project, name), text);
  else
    cpSync(join(packageRoot, example), project, {
      recursive: true,
      filter: (path) => !['node_modules', '.walla'].includes(basename(path)),
    });
  installPackage(project);
  const bundler = join(packageRoot, 'node_modules/esbuild/bin/esbuild');
  symlinkSync(bundler, join(project, 'node_modules/.bin/esbuild'));
  return project;
}

function makeTools(): string {
  const tools = join(scratch, 'bin');
  if (existsSync(tools)) return tools;
  mkdirSync(tools);
  for (const [name, text] of Object.entries({ mpirun: MPIRUN, mpiexec: MPIRUN, npx: NPX })) {
    writeFileSync(join(tools, name), text);
    chmodSync(join(tools, name), 0o755);
  }
  symlinkSync(process.execPath, join(tools, 'node'));
  return tools;
}

/** One script of all commands: what one exports, the next one has. */
function scriptOf(commands: readonly Command[]): string {
  const steps = commands.map(
    ({ page, line, text }) => `echo '::: ${page}:${line}' >&2\n${text.replace(/\s+# .*$/, '')}`,
  );
  return ['set -euo pipefail', ...steps].join('\n');
}

function runPage(page: string, commands: readonly Command[]): void {
  const project = makeProject(page);
  const { status, stdout, stderr } = spawnSync('bash', ['-c', scriptOf(commands)], {
    cwd: project,
    env: {
      ...cleanEnvironment(),
      PATH: `${makeTools()}:${process.env['PATH'] ?? ''}`,
      WALLA_DIR: mkdtempSync(join(scratch, 'base-')),
      npm_config_update_notifier: 'false',
      OMPI_MCA_orte_tmpdir_base: scratch,
    },
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: TIMEOUT_MS,
  });
  const failed = stderr.split('\n::: ').at(-1) ?? '';
  assert.equal(status, 0, `failed at ${failed}\n${stdout}`);
}

describe('commands of the documentation', () => {
  const found = PAGES.map((page) => ({ page, commands: commandsOf(page) }));

  test('are found', () => {
    const firstJob = found.find(({ page }) => page === 'docs/first-job.md');
    assert.ok((firstJob?.commands.length ?? 0) >= 8);
  });

  for (const { page, commands } of found) {
    const wanted = commands.filter((command) => reasonNotToRun(command) === undefined);
    if (wanted.length === 0) continue;
    const needsMpi = wanted.some(({ text }) => /\bmpi(run|exec)\b/.test(text));
    const skip = needsMpi && !mpi ? 'no MPI is installed' : false;
    test(`on ${page} run`, { skip }, () => runPage(page, wanted));
  }

  test('that are not run are on a list, which holds no others', () => {
    const all = found.flatMap(({ commands }) => commands);
    for (const entry of NOT_RUN)
      assert.ok(
        all.some(({ page, text }) => (entry.page?.test(page) ?? true) && entry.command.test(text)),
        `no page has ${String(entry.command)} any more: remove it from test/docs/not-run.ts`,
      );
  });
});
