/**
 * npm run demo: one application on two ranks, plain and staged, side by side.
 *
 * Counting slows a program down, so every form runs twice: once for the time, once under strace.
 */
import { spawn, spawnSync } from 'node:child_process';
import {
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  statSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { has, mpis, must, npmCi, root, say } from './shared.mjs';

const RANKS = 2;
const TIMED_RUNS = 3;
const APP = 'app.mjs';

must(process.execPath, ['.ci/setup.mjs']);
if (!npmCi('examples/mandelbrot')) {
  say('error: npm ci failed in examples/mandelbrot; see above');
  process.exit(1);
}

const cwd = realpathSync(path.join(root, 'examples/mandelbrot'));
const walla = path.join(root, 'dist/cli.js');
const picture = path.join(cwd, 'mandelbrot.png');
const scratch = mkdtempSync(path.join(tmpdir(), 'walla-demo-'));
process.on('exit', () => rmSync(scratch, { recursive: true, force: true }));

const mpi = mpis()[0];
const ranks = mpi === undefined ? 1 : RANKS;
if (mpi === undefined) {
  say('There is no MPI here: one process instead of two ranks.');
  say('To get it: apt-get install openmpi-bin libopenmpi-dev, then npm run setup');
}
const launcher = mpi === undefined ? [] : [mpi.mpirun, '-n', String(ranks)];
const env = { ...process.env, ...mpi?.env, OUT: picture };
delete env.WALLA_ARCHIVE;
delete env.WALLA_KEEP;

const seconds = (ms) => `${(ms / 1000).toFixed(2)} s`;
const count = (number) => number.toLocaleString('en');

/** Runs the application. Returns when the slowest rank's first line and the end came, in ms. */
async function timed(words, archive) {
  const command = [...launcher, process.execPath, ...words];
  const started = performance.now();
  const child = spawn(command[0], command.slice(1), {
    cwd,
    env: archive === undefined ? env : { ...env, WALLA_ARCHIVE: archive },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let errors = '';
  child.stderr.setEncoding('utf8').on('data', (text) => (errors += text));
  const closed = new Promise((resolve) => child.once('close', resolve));
  const firstLines = [];
  for await (const line of createInterface(child.stdout)) {
    if (line.startsWith('first line')) firstLines.push(performance.now() - started);
  }
  const code = await closed;
  if (code !== 0 || firstLines.length !== ranks) {
    say(`error: ${command.join(' ')} ended with ${code}, ${firstLines.length} first lines`);
    say(errors.trimEnd());
    process.exit(1);
  }
  return { firstLineMs: Math.max(...firstLines), endMs: performance.now() - started };
}

/** The best of several runs of each form, taken in turns so that both meet the same machine. */
async function race(forms) {
  const best = forms.map(() => ({ firstLineMs: Infinity, endMs: Infinity }));
  for (let i = 0; i <= TIMED_RUNS; i++) {
    for (const [index, form] of forms.entries()) {
      const result = await timed(...form);
      // The first round only warms the caches up.
      if (i === 0) continue;
      best[index].firstLineMs = Math.min(best[index].firstLineMs, result.firstLineMs);
      best[index].endMs = Math.min(best[index].endMs, result.endMs);
    }
  }
  return best;
}

/**
 * Counts file-system calls of all ranks that name a path in the application's directory or in
 * walla's own. strace runs inside each rank, so that mpirun's own calls do not count.
 */
function calls(words, archive) {
  if (!has('strace')) return undefined;
  const directory = mkdtempSync(path.join(scratch, 'strace-'));
  // -ff: one file per process and thread, so that no line is cut in two by another.
  const strace = ['strace', '-ff', '-qq', '-s', '4096', '-e', 'trace=%file', '-e', 'signal=none'];
  const command = [
    ...launcher,
    ...['sh', '-c', `exec ${strace.join(' ')} -o "${directory}/$$" "$@"`, 'sh'],
    ...[process.execPath, ...words],
  ];
  const result = spawnSync(command[0], command.slice(1), {
    cwd,
    env: archive === undefined ? env : { ...env, WALLA_ARCHIVE: archive },
    encoding: 'utf8',
  });
  if (result.status !== 0) {
    say(`file-system calls could not be counted: ${result.stderr.trim().split('\n').at(-1)}`);
    return undefined;
  }
  const inside = new RegExp(`"${escape(realpathSync(root))}(/[^"]*)?"`);
  let total = 0;
  for (const name of readdirSync(directory)) {
    for (const line of readFileSync(path.join(directory, name), 'utf8').split('\n')) {
      if (!/^(getcwd|execve|chdir)\(/.test(line) && inside.test(line)) total++;
    }
  }
  return total;
}

function escape(text) {
  return text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
}

function pack(archive) {
  const started = performance.now();
  const result = spawnSync(process.execPath, [walla, 'pack', APP, '--output', archive], {
    cwd,
    encoding: 'utf8',
  });
  if (result.status !== 0) {
    say(`error: walla pack failed\n${result.stderr.trim()}`);
    process.exit(1);
  }
  return performance.now() - started;
}

function table(rows) {
  const widths = rows[0].map((_, column) => Math.max(...rows.map((row) => row[column].length)));
  const line = (row) =>
    row.map((cell, i) => (i === 0 ? cell.padEnd(widths[i]) : cell.padStart(widths[i]))).join('   ');
  const [head, ...body] = rows.map(line);
  return [head, '-'.repeat(head.length), ...body].join('\n');
}

function ratio(before, after) {
  if (before === undefined || after === undefined) return '';
  return after === 0 ? '-' : `${(before / after).toFixed(1)} x`;
}

if (!existsSync(walla)) {
  say('error: dist/cli.js is not there; see what npm run setup says');
  process.exit(1);
}
const archive = path.join(scratch, 'app.walla');
const packMs = pack(archive);
const plainForm = [[APP]];
const stagedForm = [['--import', 'walla/stage', APP], archive];
const [plain, staged] = await race([plainForm, stagedForm]);
const plainCalls = calls(...plainForm);
const stagedCalls = calls(...stagedForm);

const cell = (number) => (number === undefined ? 'not counted' : count(number));
const where = mpi === undefined ? '1 process' : `${ranks} ranks under ${mpi.label}`;
say(`\nexamples/mandelbrot, ${where}, Node.js ${process.versions.node}\n`);
say(
  table([
    ['', 'plain', 'staged', 'ratio'],
    [
      'first line of the slowest rank',
      seconds(plain.firstLineMs),
      seconds(staged.firstLineMs),
      ratio(plain.firstLineMs, staged.firstLineMs),
    ],
    [
      'end of the job',
      seconds(plain.endMs),
      seconds(staged.endMs),
      ratio(plain.endMs, staged.endMs),
    ],
    [
      'file-system calls under the application and walla',
      cell(plainCalls),
      cell(stagedCalls),
      ratio(plainCalls, stagedCalls),
    ],
  ]),
);
say(`\nTimes are the best of ${TIMED_RUNS}, from a local disk with warm caches.`);
say(`Packed ahead of the job, once: ${seconds(packMs)}, ${count(statSync(archive).size)} bytes.`);
say('Without that, the first staged run packs on the fly and takes that much longer.');
if (!has('strace')) say('To count file-system calls: apt-get install strace');
say(`The picture: ${picture}`);
