import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, before, beforeEach, describe, test } from 'node:test';
import type { PageData } from '../../stage/report-page/page-data.ts';
import type { ChromeTrace } from '../../stage/report-page/trace.ts';
import type { Report } from '../../stage/report/report.ts';
import { Application, cli, type Outcome, packProgram, runNode, runStaged } from '../run-node.ts';
import { simulateReport } from './simulated-job.ts';

describe('walla report', () => {
  let directory: string;
  let report: string;
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'walla-report-'));
    report = join(directory, 'report.json');
  });
  afterEach(() => rmSync(directory, { recursive: true }));

  const walla = (...args: string[]): Outcome => runNode([cli, 'report', ...args]);
  const simulate = (): Report => {
    const simulated = simulateReport({ ranks: 6, ranksPerNode: 2, modules: 5 });
    writeFileSync(report, JSON.stringify(simulated));
    return simulated;
  };
  const dataOf = (page: string): PageData => {
    const text = /<script type="application\/json" id="data">(.*?)<\/script>/s.exec(page)?.[1];
    return JSON.parse(text ?? '') as PageData;
  };

  test('writes a page beside the report, and says so in one line', () => {
    simulate();
    const { status, stdout, stderr } = walla(report);
    const page = join(directory, 'report.html');
    assert.deepEqual([status, stdout], [0, '']);
    assert.equal(stderr, `walla: wrote ${page}: 6 ranks on 3 nodes, 0 misses\n`);
    const data = dataOf(readFileSync(page, 'utf8'));
    assert.deepEqual([data.size, data.timeline.length, data.file], [6, 3, report]);
    assert.match(data.treeProblem ?? '', /cannot be read/);
  });

  test('writes a page and a trace where it is told to', () => {
    simulate();
    const [page, trace] = [join(directory, 'page.html'), join(directory, 'trace.json')];
    const { status, stderr } = walla(report, '-q', '-o', page, '--trace', trace);
    assert.deepEqual([status, stderr], [0, '']);
    const { traceEvents } = JSON.parse(readFileSync(trace, 'utf8')) as ChromeTrace;
    assert.ok(traceEvents.some(({ name, ph }) => name === 'transfer' && ph === 'X'));
    assert.deepEqual(readdirSync(directory).sort(), ['page.html', 'report.json', 'trace.json']);
  });

  test('prints the report, and writes no page then', () => {
    const simulated = simulate();
    const { status, stdout, stderr } = walla(report, '--json');
    assert.deepEqual([status, stderr], [0, '']);
    assert.deepEqual(JSON.parse(stdout), JSON.parse(JSON.stringify(simulated)));
    assert.deepEqual(readdirSync(directory), ['report.json']);
  });

  const refusals: [what: string, text: string | undefined, args: string[], message: RegExp][] = [
    ['a report that is not there', undefined, [], /cannot read the report .*ENOENT/],
    ['what is no JSON', '<html>', [], /cannot read the report/],
    ['JSON that is no report', '[1]', [], /is no report of this version/],
    ['a report of before', '{"format":"walla-report-1"}', [], /format walla-report-1, not walla-/],
  ];
  for (const [what, text, args, message] of refusals)
    test(`${what} is refused`, () => {
      if (text !== undefined) writeFileSync(report, text);
      const { status, stdout, stderr } = walla(report, ...args);
      assert.deepEqual([status, stdout], [1, '']);
      assert.match(stderr, /^walla: ERR_WALLA_REPORT: .*\nhint: .*WALLA_REPORT=FILE/);
      assert.match(stderr, message);
    });

  test('a page that cannot be written is an error with a hint', () => {
    simulate();
    const { status, stderr } = walla(report, '-o', join(report, 'page.html'));
    assert.equal(status, 1);
    assert.match(stderr, /^walla: ERR_WALLA_REPORT: cannot write .*ENOTDIR.*\nhint: .* -o /);
  });
});

describe('the report of a run', () => {
  let app: Application;
  let base: string;
  const path = (name: string): string => join(base, name);
  const env = (): NodeJS.ProcessEnv => ({
    WALLA_DIR: base,
    WALLA_ARCHIVE: path('app.walla'),
    WALLA_REPORT: path('report.json'),
  });
  const readReport = (): Report => {
    const { stdout, stderr } = runNode([cli, 'report', '--json', path('report.json')]);
    assert.equal(stderr, '');
    return JSON.parse(stdout) as Report;
  };

  before(() => {
    app = new Application({
      'app.mjs': `import './inner.mjs'; process.exitCode = Number(process.env.CODE ?? 0);`,
      'inner.mjs': '',
    });
    base = mkdtempSync(join(tmpdir(), 'walla-base-'));
    packProgram(app.path('app.mjs'), path('app.walla'));
  });
  after(() => {
    app.remove();
    rmSync(base, { recursive: true });
  });

  test('has the archive by size, until it is packed again', () => {
    assert.equal(runStaged([app.path('app.mjs')], { env: env() }).status, 0);
    const page = (): string => {
      assert.equal(runNode([cli, 'report', '-q', path('report.json')]).status, 0);
      return readFileSync(path('report.html'), 'utf8');
    };
    assert.match(page(), /"tree":\{"name":"app.walla",.*"name":"inner.mjs"/);
    app.write('inner.mjs', 'export {};');
    packProgram(app.path('app.mjs'), path('app.walla'));
    assert.match(page(), /has been packed again since/);
  });

  test('of ranks without MPI has the times of each, from its own line', () => {
    // What Open MPI's mpirun sets; nobody starts MPI.
    const rank = (number: number): NodeJS.ProcessEnv => ({
      ...env(),
      WALLA_MPI: 'off',
      OMPI_COMM_WORLD_RANK: String(number),
      OMPI_COMM_WORLD_SIZE: '3',
      OMPI_COMM_WORLD_LOCAL_RANK: String(number),
      CODE: number === 2 ? '4' : '0',
    });
    for (const number of [0, 1, 2]) {
      const { stderr, status } = runStaged([app.path('app.mjs')], { env: rank(number) });
      assert.deepEqual([stderr, status], ['', number === 2 ? 4 : 0]);
    }
    const { size, phases, program, timeline } = readReport();
    assert.deepEqual([size, phases['attach']?.work.ranks, timeline[0]?.ranks], [3, 3, 3]);
    assert.deepEqual([program?.ran.ranks, program?.exitCodes], [3, { 0: 2, 4: 1 }]);
    // They ran one after the other, and the clock of the day says so.
    const starts = phases['node']?.startMs ?? NaN;
    assert.ok(starts === 0 && (phases['attach']?.endMs ?? 0) > (program?.startMs ?? Infinity));
  });
});
