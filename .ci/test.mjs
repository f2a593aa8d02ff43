/**
 * npm test                             everything
 * npm test -- test/unit/x.test.ts ...  only these test files
 *
 * In order: setup, the C++ unit tests (plain, then under sanitizers), the smoke test (an example under
 * mpirun, plain and staged), and the tests in TypeScript.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { mpis, must, npmCi, root, run, say } from './shared.mjs';

const CONCURRENCY = 2;
const EXAMPLES = ['hello', 'hello-cjs', 'mandelbrot', 'catalogue'];

const filters = process.argv.slice(2);
const skipped = [];
const failed = [];

must(process.execPath, ['.ci/setup.mjs']);
for (const example of EXAMPLES) {
  if (!npmCi(`examples/${example}`)) failed.push(`npm ci in examples/${example}`);
}
if (!npmCi('test/packages', '--ignore-scripts')) failed.push('npm ci in test/packages');

if (filters.length === 0) {
  nativeTests();
  smokeTest();
}
nodeTests();

for (const line of skipped) say(`skipped: ${line}`);
for (const line of failed) say(`failed: ${line}`);
process.exit(failed.length > 0 ? 1 : 0);

function nativeTests() {
  if (!existsSync(path.join(root, 'native/build.mjs'))) {
    skipped.push('C++ unit tests: there is no native/build.mjs');
    return;
  }
  for (const mode of ['--test', '--sanitize']) {
    say(`\nC++ unit tests (${mode})`);
    if (run(process.execPath, ['native/build.mjs', mode]) !== 0) failed.push(`C++ tests ${mode}`);
  }
}

/** Two staged ranks must each print what one plain process prints. */
function smokeTest() {
  const cwd = path.join(root, 'examples/hello');
  const words = { plain: ['app.mjs'], staged: ['--import', 'walla/stage', 'app.mjs'] };
  const options = { cwd, encoding: 'utf8', timeout: 120_000 };
  const plain = spawnSync(process.execPath, words.plain, options);
  const expected = [...plain.stdout.trim().split('\n'), ...plain.stdout.trim().split('\n')].sort();
  const found = mpis();
  if (found.length === 0) skipped.push('smoke test under mpirun: no MPI here');
  for (const { label, mpirun, env } of found) {
    const result = spawnSync(mpirun, ['-n', '2', process.execPath, ...words.staged], {
      ...options,
      env: { ...process.env, ...env },
    });
    const lines = result.stdout.trim().split('\n').sort();
    const same = JSON.stringify(lines) === JSON.stringify(expected);
    if (plain.status === 0 && result.status === 0 && same) {
      say(`smoke test under ${label}: two staged ranks print what plain ones do`);
      continue;
    }
    failed.push(`smoke test under ${label}`);
    say(`smoke test under ${label}: exit code ${result.status ?? result.signal}, expected`);
    say(expected.join('\n').replace(/^/gm, '  | '));
    say(`got\n${`${result.stdout}${result.stderr}`.trim().replace(/^/gm, '  | ')}`);
  }
}

function nodeTests() {
  const files = filters.length > 0 ? filters.filter((word) => !word.startsWith('-')) : testFiles();
  const flags = filters.filter((word) => word.startsWith('-'));
  if (files.length === 0) files.push(...testFiles());
  const scratch = mkdtempSync(path.join(tmpdir(), 'walla-test-'));
  const skips = path.join(scratch, 'skips');
  say(`\n${files.length} test files on Node.js ${process.versions.node}`);
  const code = run(process.execPath, [
    '--import',
    'tsx',
    '--test',
    `--test-concurrency=${CONCURRENCY}`,
    '--test-reporter=spec',
    '--test-reporter-destination=stdout',
    '--test-reporter=./.ci/skipped-reporter.mjs',
    `--test-reporter-destination=${skips}`,
    ...flags,
    ...files,
  ]);
  if (code !== 0) failed.push('tests in TypeScript');
  summarizeSkips(skips);
  rmSync(scratch, { recursive: true });
}

function summarizeSkips(file) {
  if (!existsSync(file)) return;
  const byReason = new Map();
  for (const line of readFileSync(file, 'utf8').split('\n').filter(Boolean)) {
    const [reason, name] = JSON.parse(line);
    byReason.set(reason, [...(byReason.get(reason) ?? []), name]);
  }
  for (const [reason, names] of byReason) {
    const what = names.length === 1 ? names[0] : `${names.length} tests`;
    skipped.push(`${what}: ${reason === '' ? 'no reason given' : reason}`);
  }
}

/** By hand: Node.js 20 takes no patterns for --test. */
function testFiles(folder = 'test') {
  return readdirSync(path.join(root, folder), { withFileTypes: true })
    .flatMap((entry) => {
      const name = `${folder}/${entry.name}`;
      if (entry.isDirectory()) {
        return ['node_modules', 'fixtures'].includes(entry.name) ? [] : testFiles(name);
      }
      return entry.name.endsWith('.test.ts') ? [name] : [];
    })
    .sort();
}
