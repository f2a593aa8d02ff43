import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { compile } from 'vega-lite';
import { parse, View } from 'vega';
import { phaseChart, progression, requestChart, timeChart } from '../../bench/charts.ts';
import {
  adjustedSeconds,
  byRound,
  layoutsOf,
  type Results,
  type Row,
  rowsOf,
  writeResults,
} from '../../bench/results.ts';
import { noRequests } from '../../bench/sharedfs/shared-fs.ts';
import { median, ratio } from '../../bench/statistics.ts';

function row(contender: string, nodes: number, ranks: number, round: number, seconds: number): Row {
  const asked = (lookup: number) => ({ ...noRequests(), lookup });
  return {
    contender,
    nodes,
    ranks,
    round,
    seconds,
    phases: { launch: 1, place: 0, boot: 0, load: seconds - 1 },
    root: { boot: asked(2), after: asked(contender === 'plain' ? 1000 : 0) },
    others: { boot: asked(0), after: asked(0) },
    otherMost: { boot: 0, after: 0 },
    otherMostPaths: { boot: [], after: [] },
    launcher: asked(0),
    nodeMiB: 1,
    tmpfsMiB: 0,
    networkMiB: 0,
    busy: 0.5,
  };
}

const results: Results = {
  when: '',
  machine: { cpu: '', cores: 2, load: [] },
  node: 24,
  program: 'catalogue',
  server: {},
  rounds: 2,
  contenders: { plain: '', 'walla packed': '' },
  left: {},
  failures: [],
  rows: [
    row('plain', 4, 1, 1, 30),
    row('plain', 4, 1, 0, 20),
    row('plain', 1, 4, 0, 10),
    row('plain', 1, 1, 0, 5),
    row('walla packed', 4, 1, 0, 4),
    row('walla packed', 4, 1, 1, 5),
    row('walla packed', 1, 1, 0, 2),
  ],
};

describe('the numbers of the benchmark', () => {
  test('the median of an even number of values is between the two in the middle', () => {
    assert.equal(median([9, 1, 3]), 3);
    assert.equal(median([4, 1, 3, 9]), 3.5);
    assert.ok(Number.isNaN(median([])));
  });

  test('ratios are taken round by round, and rounds that one lacks do not count', () => {
    const seconds = (name: string) =>
      rowsOf(results, name, { nodes: 4, ranks: 1 }).map((each) => each.seconds);
    assert.deepEqual(ratio(seconds('plain'), seconds('walla packed')), {
      median: 5.5,
      min: 5,
      max: 6,
    });
    assert.equal(ratio([1], []), undefined);
  });

  test('a round that failed has no value, and the others keep their numbers', () => {
    const seconds = (name: string, nodes: number) =>
      byRound(results, name, { nodes, ranks: 1 }, (each) => each.seconds);
    assert.deepEqual(seconds('plain', 4), [20, 30]);
    assert.deepEqual(seconds('walla packed', 1), [2, NaN]);
  });

  test('results are written whole, over those of the rounds before', () => {
    const directory = mkdtempSync(join(tmpdir(), 'walla-results-'));
    try {
      const file = join(directory, 'new', 'results.json');
      for (const rounds of [1, 2]) writeResults(file, { ...results, rounds });
      assert.deepEqual(JSON.parse(readFileSync(file, 'utf8')), { ...results, rounds: 2 });
      assert.deepEqual(readdirSync(join(directory, 'new')), ['results.json']);
    } finally {
      rmSync(directory, { recursive: true });
    }
  });

  test('adjusted seconds leave each node its own part of the processor time', () => {
    assert.equal(adjustedSeconds(row('plain', 1, 1, 0, 8)), 8);
    assert.equal(adjustedSeconds(row('plain', 4, 1, 0, 8)), 8 - 4 * 0.75);
  });

  test('one layout stands for each number of ranks, the one with the most nodes', () => {
    assert.equal(layoutsOf(results).length, 3);
    assert.deepEqual(progression(results), [
      { nodes: 1, ranks: 1 },
      { nodes: 4, ranks: 1 },
    ]);
  });
});

describe('the pictures of the benchmark', () => {
  for (const [name, chart] of Object.entries({ timeChart, requestChart, phaseChart })) {
    test(`${name} shows every contender`, async () => {
      const view = new View(parse(compile(chart(results)).spec), { renderer: 'none' });
      const svg = await view.toSVG();
      assert.match(svg, /^<svg/);
      for (const contender of Object.keys(results.contenders))
        assert.ok(svg.includes(`>${contender}</text>`), contender);
      assert.doesNotMatch(svg, /NaN|undefined/);
    });
  }
});
