import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { describe, test } from 'node:test';
import { defaultArchivePath } from '../../stage/archive-path.ts';
import { archiveTree, type ArchiveTree } from '../../stage/report-page/archive-tree.ts';
import { embedJson, reportPage } from '../../stage/report-page/html.ts';
import { learnCommand } from '../../stage/report-page/learn-command.ts';
import { packageOf, pageData } from '../../stage/report-page/page-data.ts';
import type { Miss } from '../../stage/report/report.ts';
import { which } from '../mpi/launch.ts';
import { HOSTILE_NAMES } from './hostile-names.ts';
import { simulateReport } from './simulated-job.ts';

/** Whether a file can have this name: no half of a surrogate pair is left over. */
function encodable(name: string): boolean {
  return Buffer.from(name).toString() === name;
}

describe('the data in a page', () => {
  for (const name of HOSTILE_NAMES)
    test(`keeps ${JSON.stringify(name).slice(0, 40)}, which ends no element`, () => {
      const text = embedJson({ name });
      assert.doesNotMatch(text, /</);
      assert.deepEqual(JSON.parse(text), { name });
    });

  test('is bounded, whatever the program', () => {
    const misses = Array.from({ length: 20_000 }, (_, i): Miss => ({
      kind: 'read',
      path: `/shared/app/data-${i}`,
      count: i,
    }));
    const report = simulateReport({ ranks: 1, ranksPerNode: 1, modules: 20_000, misses });
    const data = pageData(report, '/r.json', 'walla pack', 'none');
    assert.ok(JSON.stringify(data).length < 1e6);
    assert.deepEqual([data.misses.length, data.missCount], [500, 20_000]);
    assert.equal(data.misses[0]?.count, 19_999);
    assert.equal(data.modules.length + data.otherModules, 20_000);
    assert.equal(data.packages.length, 40);
    assert.equal(
      data.packages.reduce((sum, { modules }) => sum + modules, 0),
      20_000,
    );
  });

  test('names modules that asked, and keeps the most expensive', () => {
    const report = simulateReport({ ranks: 1, ranksPerNode: 1, modules: 3000 });
    const { modules } = pageData(report, '/r.json', '', 'none');
    const cost = ({ loadMs = 0, selfMs = 0 }: { loadMs?: number; selfMs?: number }): number =>
      loadMs + selfMs;
    const costs = report.modules.map(cost).sort((a, b) => b - a);
    assert.deepEqual(
      modules.map(cost).sort((a, b) => b - a),
      costs.slice(0, modules.length),
    );
    const child = modules.find(({ parent }) => parent !== undefined);
    const original = report.modules.find(({ path }) => path === child?.path);
    assert.equal(report.modules[original?.parent ?? -1]?.path, child?.parent);
  });
});

test('a page lets its own script and style run and nothing else', () => {
  const data = pageData(simulateReport({ ranks: 1, ranksPerNode: 1 }), '/r.json', '', 'none');
  const page = reportPage(data, { script: 'run()', style: 'p{}' });
  const digest = (text: string) => createHash('sha256').update(text).digest('base64');
  assert.ok(page.includes(`script-src 'sha256-${digest('run()')}'`));
  assert.ok(page.includes(`style-src 'sha256-${digest('p{}')}'`));
  assert.ok(page.includes("default-src 'none'"));
});

test('a package is the innermost one of a path', () => {
  assert.equal(packageOf('node_modules/a/node_modules/@s/b/lib/c.js'), '@s/b');
  assert.equal(packageOf('node_modules/.pnpm/x@1/node_modules/x/i.js'), 'x');
  assert.equal(packageOf('lib/app.js'), '');
});

describe('the command that adds misses', () => {
  const report = simulateReport({ ranks: 1, ranksPerNode: 1 });

  test('names the archive, unless it is the one beside the program', () => {
    assert.equal(
      learnCommand(report, '/r.json'),
      'walla pack /shared/app/app.mjs -o /shared/app/app.walla --learn /r.json',
    );
    const [program = ''] = report.programs;
    assert.equal(
      learnCommand({ ...report, archive: defaultArchivePath(program) }, '/r.json'),
      'walla pack /shared/app/app.mjs --learn /r.json',
    );
  });

  for (const name of HOSTILE_NAMES.filter((name) => encodable(name)))
    test(
      `means ${JSON.stringify(name).slice(0, 40)} to a shell`,
      { skip: which('bash') === undefined && 'bash is not installed' },
      () => {
        const words = ['pack', `/app/${name}`, '-o', '/shared/app/app.walla', '--learn', name];
        const command = learnCommand({ ...report, programs: [`/app/${name}`] }, name);
        const script = `walla() { printf '%s\\0' "$@"; }\n${command}\n`;
        const { stdout, stderr } = spawnSync('bash', ['-c', script], {
          encoding: 'utf8',
          env: { ...process.env, LC_ALL: 'C.UTF-8' },
        });
        assert.equal(stderr, '');
        assert.deepEqual(stdout.split('\0').slice(0, -1), words);
      },
    );
});

describe('the tree of an archive', () => {
  const count = ({ children = [] }: ArchiveTree): number =>
    children.reduce((sum, child) => sum + count(child), 1);

  test('adds sizes up, the largest first', () => {
    const tree = archiveTree('a', [
      { path: 'x/small', size: 1 },
      { path: 'y/one', size: 5 },
      { path: 'y/two', size: 7 },
      { path: 'top', size: 3 },
    ]);
    assert.deepEqual(tree, {
      name: 'a',
      bytes: 16,
      files: 4,
      children: [
        {
          name: 'y',
          bytes: 12,
          files: 2,
          children: [
            { name: 'two', bytes: 7, files: 1 },
            { name: 'one', bytes: 5, files: 1 },
          ],
        },
        { name: 'top', bytes: 3, files: 1 },
        { name: 'x', bytes: 1, files: 1, children: [{ name: 'small', bytes: 1, files: 1 }] },
      ],
    });
  });

  test('is bounded, and loses nothing', () => {
    const files = Array.from({ length: 60_000 }, (_, i) => ({
      path: `node_modules/p${i % 700}/d${i % 7}/f${i}.js`,
      size: i % 1000,
    }));
    const tree = archiveTree('a', files);
    assert.ok(count(tree) <= 2500, `${count(tree)} nodes`);
    const check = ({ children, bytes, files }: ArchiveTree): void => {
      if (!children) return;
      assert.equal(
        children.reduce((sum, child) => sum + child.bytes, 0),
        bytes,
      );
      assert.equal(
        children.reduce((sum, child) => sum + child.files, 0),
        files,
      );
      children.forEach(check);
    };
    check(tree);
    assert.equal(tree.files, 60_000);
  });

  test('takes names of Object for names', () => {
    const tree = archiveTree('a', [{ path: '__proto__/constructor', size: 2 }]);
    assert.equal(tree.children?.[0]?.name, '__proto__');
  });
});
