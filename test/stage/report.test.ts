import assert from 'node:assert/strict';
import {
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, beforeEach, describe, test } from 'node:test';
import type { Report } from '../../stage/report/report.ts';
import { which } from '../mpi/launch.ts';
import { nodeVersions } from '../node-versions/index.ts';
import {
  Application,
  cli,
  leftBehind,
  mpis,
  type Outcome,
  packProgram,
  preload,
  run,
  runNode,
  runStaged,
} from '../run-node.ts';

/** Names that no lexer finds. */
const PROGRAM = `
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
const require = createRequire(import.meta.url);
const name = (text) => [...text].reverse().join('');
const asked = async (answer) => { try { return await answer(); } catch (error) { return error.code; } };
const plugin = await import(name('sjm.nigulp/.'));
const helper = require(name('sjc.repleh/.'));
const optional = await asked(() => require(name('lanoitpo')));
const extra = await asked(() => import(name('artxe')));
for (let i = 0; i < 3; i++) readFileSync(new URL(name('nib.atad'), import.meta.url));
console.log(JSON.stringify({ plugin: plugin.default, helper, optional, extra }));
`;

const FILES = {
  'app.mjs': PROGRAM,
  'plugin.mjs': `export { default } from './inner.mjs';\n`,
  'inner.mjs': `export default 'plugin';\n`,
  'helper.cjs': `module.exports = 'helper';\n`,
  'data.bin': 'bytes',
  'other.mjs': `console.log('other');\n`,
  'children.cjs': `
const { Worker } = require('node:worker_threads');
const { fork } = require('node:child_process');
const name = (text) => [...text].reverse().join('');
if (process.argv[2] === 'child') require('node:fs').readFileSync(__dirname + name('nib.atad/'));
else new Worker(__dirname + name('sjc.rekrow/')).on('exit', () => fork(__filename, ['child']));
`,
  'worker.cjs': `require([...'sjc.repleh/.'].reverse().join(''));\n`,
  'throws.mjs': `
import { readFileSync } from 'node:fs';
readFileSync(new URL([...'nib.atad'].reverse().join(''), import.meta.url));
throw new Error('on purpose');
`,
  'requires.mjs': `
import './inner.mjs';
import { createRequire } from 'node:module';
createRequire(import.meta.url)('./slow.cjs');
`,
  'slow.cjs': `
for (const end = performance.now() + 30; performance.now() < end; );
require('./busy.cjs');
`,
  'busy.cjs': `for (const end = performance.now() + 60; performance.now() < end; );`,
  'writes.mjs': `
import { readFileSync, writeFileSync } from 'node:fs';
import { spawnSync } from 'node:child_process';
const out = new URL([...'txt.tuo'].reverse().join(''), import.meta.url);
spawnSync('sh', ['-c', 'echo result > "$0"', out.pathname]);
readFileSync(out);
try { readFileSync(new URL('no' + 'where', import.meta.url)); } catch {}
`,
  'late.mjs': `
import { readFileSync } from 'node:fs';
const rank = Number(process.env.OMPI_COMM_WORLD_RANK ?? process.env.PMI_RANK);
const name = ['0.trap', '1.trap'][rank];
await new Promise((done) => setTimeout(done, rank * 700));
readFileSync(new URL([...name].reverse().join(''), import.meta.url), 'utf8');
`,
  'part.0': 'zero',
  'part.1': 'one',
  'package.json': `{"name":"app","version":"1.0.0"}`,
  'node_modules/dep/index.js': '',
};

/** What the program misses: kind, name relative to the root, count on one rank. */
const MISSED = [
  ['import', './inner.mjs', 'inner.mjs', 1],
  ['import', './plugin.mjs', 'plugin.mjs', 1],
  ['import', 'extra', undefined, 1],
  ['read', 'data.bin', undefined, 3],
  ['require', './helper.cjs', 'helper.cjs', 1],
  ['require', 'optional', undefined, 1],
];

const launches = [{ name: 'alone', ranks: 1, skip: false as string | false, options: {} }].concat(
  mpis.map((mpi) => ({
    name: `as 2 ranks of ${mpi.abi}`,
    ranks: 2,
    skip: mpi.skip,
    options: { mpi, ranks: 2 },
  })),
);

/** What a report says of time, on each of the ranks. */
function checkTimes(report: Report, ranks: number): void {
  const { phases, stale, program, timeline, received, nodes, bytes } = report;
  const names = Object.keys(phases);
  for (const name of ['node', 'mpi', 'boot', 'reserve', 'transfer', 'extract', 'hold', 'hooks'])
    assert.equal(phases[name]?.work.ranks, ranks, name);
  // Rank 0 alone compares, in the middle of looking for the archive or, under MPI, before.
  assert.deepEqual([phases['compare']?.within, phases['compare']?.work.ranks], ['locate', 1]);
  assert.equal(phases['compare']?.work.max, stale?.ms);
  // The application's directory, and what of it is packed.
  assert.ok(stale && stale.compared >= 2 && stale.startMs > 0);
  assert.deepEqual([received?.ranks, received?.total, nodes], [1, bytes, 1]);
  for (const [name, { startMs, endMs, work, wait }] of Object.entries(phases)) {
    assert.ok(startMs <= endMs && work.min <= work.median && work.median <= work.max, name);
    assert.ok(wait.min >= 0 && wait.max <= endMs - startMs + 0.02, name);
    for (const { rank, host } of work.largest) assert.ok(rank < ranks && host === hostname(), name);
  }
  const [row] = timeline;
  assert.deepEqual([timeline.length, row?.why, row?.ranks], [1, 'root', ranks]);
  assert.deepEqual([...new Set(row?.spans.map(({ phase }) => phase))].sort(), [
    ...[...names, 'program'].sort(),
  ]);
  assert.deepEqual([program?.ran.ranks, program?.exitCodes], [ranks, { 0: ranks }]);
  const hooksEnd = phases['hooks']?.endMs ?? Infinity;
  assert.ok(program && program.endMs > hooksEnd && program.misses.total > 0);
}

function modulesOf({ modules }: Report): string[] {
  return modules.map(({ path }) => path);
}

describe('a report of what the archive lacks', () => {
  let app: Application;
  let base: string;
  let archive: string;
  let report: string;

  before(() => {
    app = new Application(FILES);
    // What a job finds was there before it.
    for (const file of Object.keys(FILES)) utimesSync(app.path(file), 1e9, 1e9);
    base = mkdtempSync(join(tmpdir(), 'walla-base-'));
  });
  beforeEach(() => {
    rmSync(base, { recursive: true, force: true });
    base = mkdtempSync(join(tmpdir(), 'walla-base-'));
    archive = join(base, 'app.archive');
    report = join(base, 'report.json');
    rmSync(app.path('.walla'), { recursive: true, force: true });
  });
  after(() => {
    app.remove();
    rmSync(base, { recursive: true, force: true });
  });

  const env = (): NodeJS.ProcessEnv => ({
    WALLA_DIR: base,
    WALLA_ARCHIVE: archive,
    WALLA_REPORT: report,
  });
  const readReport = (): Report => JSON.parse(readFileSync(report, 'utf8')) as Report;
  const learn = (entry: string, node = process.execPath): Outcome =>
    runNode([cli, 'pack', '--quiet', '-o', archive, '--learn', report, app.path(entry)], { node });
  /** As `walla report` reads it: with the parts of ranks that ended after rank 0. */
  const readWithParts = (): Report => {
    const { stdout, stderr, status } = runNode([cli, 'report', '--json', report]);
    assert.deepEqual([stderr, status], ['', 0]);
    return JSON.parse(stdout) as Report;
  };
  const relative = (path: string | undefined): string | undefined =>
    path?.slice(app.root.length + 1);
  const missed = ({ misses }: Report) =>
    misses
      .map((miss) =>
        miss.kind === 'read'
          ? [miss.kind, relative(miss.path), undefined, miss.count]
          : [miss.kind, miss.specifier, relative(miss.resolved), miss.count],
      )
      .sort((a, b) => (String(a) < String(b) ? -1 : 1));

  for (const { name, ranks, skip, options } of launches) {
    test(
      `${name}: a run tells what it missed, --learn adds it, the next run misses nothing`,
      { skip },
      () => {
        packProgram(app.path('app.mjs'), archive);
        const first = runStaged([app.path('app.mjs')], { ...options, env: env() });
        assert.deepEqual([first.stderr, first.status], ['', 0]);
        const found = readReport();
        assert.deepEqual(
          missed(found),
          MISSED.map(([kind, asked, file, count]) => [kind, asked, file, Number(count) * ranks]),
        );
        assert.deepEqual(
          found.misses.map((miss) => miss.ranks),
          MISSED.map(() => (ranks === 1 ? '0' : `0-${ranks - 1}`)),
        );
        assert.deepEqual([found.size, found.root], [ranks, app.root]);
        assert.deepEqual(found.programs, [app.path('app.mjs')]);
        const told = readWithParts();
        checkTimes(told, ranks);
        assert.deepEqual(modulesOf(told), modulesOf(found));

        const packed = learn('app.mjs');
        assert.deepEqual([packed.stderr, packed.status], ['', 0]);
        const second = runStaged([app.path('app.mjs')], { ...options, env: env() });
        assert.deepEqual([second.stderr, second.stdout], ['', first.stdout]);
        const after = readReport();
        assert.deepEqual(after.misses, []);
        assert.ok(after.hits > found.hits);
        assert.deepEqual(leftBehind(base), []);
      },
    );
  }

  for (const { major, path: node } of nodeVersions.slice(1)) {
    test(`Node.js ${major} reports and learns the same`, () => {
      packProgram(app.path('app.mjs'), archive, { node });
      runStaged([app.path('app.mjs')], { node, env: env() });
      assert.deepEqual(missed(readReport()), MISSED);
      assert.equal(learn('app.mjs', node).status, 0);
      const { stderr } = runStaged([app.path('app.mjs')], { node, env: env() });
      assert.equal(stderr, '');
      assert.deepEqual(readReport().misses, []);
    });
  }

  for (const { major, path: node } of nodeVersions)
    test(`Node.js ${major}: modules of rank 0 say who asked for them and what they took`, () => {
      packProgram(app.path('requires.mjs'), archive, { node });
      const { status, stderr } = runStaged([app.path('requires.mjs')], { node, env: env() });
      assert.deepEqual([stderr, status], ['', 0]);
      const { modules } = readReport();
      const named = (name: string) => modules.find(({ path }) => path === name);
      assert.deepEqual(
        modules.map(({ path, kind, packed }) => [path, kind, packed]),
        [
          ['requires.mjs', 'import', true],
          ['inner.mjs', 'import', true],
          ['slow.cjs', 'require', true],
          ['busy.cjs', 'require', true],
        ],
      );
      const [entry, inner, slow, busy] = modules;
      assert.ok(entry && inner && slow && busy);
      assert.deepEqual([inner.parent, busy.parent], [0, 2]);
      assert.equal(inner.bytes, FILES['inner.mjs'].length);
      assert.equal(inner.selfMs, undefined);
      // Each keeps the processor busy: 30 ms in one, 60 ms in the other, which it requires.
      assert.ok((busy.selfMs ?? 0) >= 60 && (slow.selfMs ?? 0) >= 30);
      assert.ok((slow.totalMs ?? 0) >= (slow.selfMs ?? 0) + (busy.totalMs ?? 0));
      assert.ok((slow.evaluatedMs ?? 0) < (busy.evaluatedMs ?? 0));
      assert.equal(named('node:fs'), undefined);
      // On 20 hooks are in a thread of their own, and what they take cannot be seen from here.
      assert.equal(inner.loadMs === undefined, major === 20);
    });

  test(
    'what was learnt costs no call to the file system',
    { skip: which('strace') === undefined && 'strace is not installed' },
    () => {
      const trace = join(base, 'trace');
      const calls = (): string[] => {
        const words = [process.execPath, '-r', preload, app.path('app.mjs')];
        const strace = ['-f', '-qq', '-s', '300', '-e', 'trace=%file', '-o', trace];
        const { status } = run('strace', [...strace, ...words], {
          ...env(),
          WALLA_STALE: 'lockfile',
          WALLA_REPORT: '',
        });
        assert.equal(status, 0);
        return readFileSync(trace, 'utf8')
          .split('\n')
          .filter((line) => line.includes(`"${app.root}/`))
          .filter((line) => /(?:inner|plugin|helper|data|optional|extra)/.test(line));
      };
      packProgram(app.path('app.mjs'), archive);
      assert.notDeepEqual(calls(), []);
      runStaged([app.path('app.mjs')], { env: env() });
      assert.equal(learn('app.mjs').status, 0);
      assert.deepEqual(calls(), []);
    },
  );

  test('children and workers report under the rank that started them', () => {
    packProgram(app.path('children.cjs'), archive);
    const { stderr } = runStaged([app.path('children.cjs')], { env: env() });
    assert.equal(stderr, '');
    assert.deepEqual(missed(readReport()), [
      ['read', 'data.bin', undefined, 1],
      ['require', './helper.cjs', 'helper.cjs', 1],
    ]);
  });

  test('a program that ends by an exception reports, with its own exit code', () => {
    packProgram(app.path('throws.mjs'), archive);
    const { status, stderr } = runStaged([app.path('throws.mjs')], { env: env() });
    assert.match(stderr, /on purpose/);
    assert.equal(status, 1);
    assert.deepEqual(missed(readReport()), [['read', 'data.bin', undefined, 1]]);
  });

  for (const mpi of mpis) {
    test(
      `a rank of ${mpi.abi} that ends by an exception holds up no report`,
      { skip: mpi.skip },
      () => {
        packProgram(app.path('throws.mjs'), archive);
        const { status, signal } = runStaged([app.path('throws.mjs')], {
          mpi,
          ranks: 2,
          env: env(),
        });
        assert.equal(signal, null);
        assert.notEqual(status, 0);
        // Whichever rank was faster ended the job: what it missed is there.
        assert.match(learn('throws.mjs').stderr, /^$/);
        runStaged([app.path('throws.mjs')], { env: env() });
        assert.deepEqual(readReport().misses, []);
      },
    );
  }

  for (const mpi of mpis) {
    test(`${mpi.abi}: a rank that ends after rank 0 is in the report`, { skip: mpi.skip }, () => {
      packProgram(app.path('late.mjs'), archive);
      const { status, stderr } = runStaged([app.path('late.mjs')], { mpi, ranks: 2, env: env() });
      assert.deepEqual([status, stderr], [0, '']);
      const found = readReport().misses.map((miss) => [
        miss.kind === 'read' && relative(miss.path),
        miss.ranks,
        miss.count,
      ]);
      assert.deepEqual(found, [
        ['part.0', '0', 1],
        ['part.1', '1', 1],
      ]);
    });
  }

  test('a report whose rank 0 was killed is learnt from its parts', () => {
    packProgram(app.path('app.mjs'), archive);
    runStaged([app.path('app.mjs')], { env: env() });
    rmSync(report);
    assert.equal(learn('app.mjs').status, 0);
    runStaged([app.path('app.mjs')], { env: env() });
    assert.deepEqual(readReport().misses, []);
  });

  test('what a job writes, and what is not there, is no miss', () => {
    packProgram(app.path('writes.mjs'), archive);
    try {
      const { status, stderr } = runStaged([app.path('writes.mjs')], { env: env() });
      assert.deepEqual([status, stderr], [0, '']);
      assert.deepEqual(readReport().misses, []);
    } finally {
      rmSync(app.path('out.txt'), { force: true });
    }
  });

  test('without the variable nothing is written', () => {
    packProgram(app.path('app.mjs'), archive);
    runStaged([app.path('app.mjs')], { env: { ...env(), WALLA_REPORT: undefined } });
    assert.deepEqual(readdirSync(base), ['app.archive']);
  });

  for (const { name, skip, options } of launches) {
    test(
      `${name}: a report that cannot be written is one line, and the program goes on`,
      { skip },
      () => {
        packProgram(app.path('other.mjs'), archive);
        const file = join(archive, 'report.json');
        const { status, stdout, stderr } = runStaged([app.path('other.mjs')], {
          ...options,
          env: { ...env(), WALLA_REPORT: file },
        });
        assert.match(stderr, /^walla: no report in .*report\.json: ENOTDIR.*\n$/);
        assert.equal(stdout.replaceAll('other\n', ''), '');
        assert.equal(status, 0);
      },
    );
  }

  test('files that are gone are named once, the others are learnt', () => {
    packProgram(app.path('app.mjs'), archive);
    runStaged([app.path('app.mjs')], { env: env() });
    rmSync(app.path('data.bin'));
    try {
      const { status, stderr } = learn('app.mjs');
      assert.equal(status, 0);
      assert.equal(stderr, `walla: not there any more, not packed: ${app.path('data.bin')}\n`);
      const listed = runNode([cli, 'ls', archive]).stdout.split('\n');
      assert.ok(listed.includes('plugin.mjs') && !listed.includes('data.bin'));
    } finally {
      app.write('data.bin', 'bytes');
      utimesSync(app.path('data.bin'), 1e9, 1e9);
    }
  });

  const refusals: [string, RegExp, () => void][] = [
    [
      'a report that is not there',
      /cannot read the report .*report\.json: ENOENT/,
      () => undefined,
    ],
    ['a report that is no JSON', /cannot read the report/, () => writeFileSync(report, 'misses')],
    ['JSON that is no report', /is no report/, () => writeFileSync(report, '{"misses":[]}')],
    [
      'the report of another program',
      /is of .*other\.mjs, not of .*app\.mjs/,
      () => {
        packProgram(app.path('other.mjs'), archive);
        assert.equal(runStaged([app.path('other.mjs')], { env: env() }).status, 0);
        rmSync(archive);
      },
    ],
  ];
  for (const [name, message, prepare] of refusals) {
    test(`${name} is refused, and nothing is packed`, () => {
      prepare();
      const { status, stderr } = learn('app.mjs');
      assert.match(stderr, /^walla: ERR_WALLA_REPORT: .*\nhint: .*--learn/);
      assert.match(stderr, message);
      assert.equal(status, 1);
      assert.equal(existsSync(archive), false);
    });
  }
});
