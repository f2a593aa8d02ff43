import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { distribute } from '../../stage/report/distribution.ts';
import { rankRanges } from '../../stage/report/merge.ts';
import type { RankTimes } from '../../stage/report/report.ts';
import { summarizeStaging } from '../../stage/report/staging.ts';
import { hostOf, simulateReport, type SimulatedJob } from './simulated-job.ts';

describe('a distribution over ranks', () => {
  const values = (numbers: number[]) =>
    numbers.map((value, rank) => ({ rank, host: `n${rank}`, value }));

  test('of one rank is that rank', () => {
    const one = distribute(values([7]));
    assert.deepEqual(one, {
      ranks: 1,
      min: 7,
      p25: 7,
      median: 7,
      p75: 7,
      p99: 7,
      max: 7,
      total: 7,
      largest: [{ rank: 0, host: 'n0', value: 7 }],
    });
  });

  test('has values of ranks for quantiles, whatever the order', () => {
    const hundred = distribute(values(Array.from({ length: 100 }, (_, i) => ((i * 37) % 100) + 1)));
    assert.ok(hundred);
    const { min, p25, median, p75, p99, max, total, largest } = hundred;
    assert.deepEqual([min, p25, median, p75, p99, max, total], [1, 25, 50, 75, 99, 100, 5050]);
    assert.deepEqual(
      largest.map(({ value }) => value),
      [100, 99, 98, 97, 96],
    );
    for (const { rank, host, value } of largest)
      assert.deepEqual([host, value], [`n${rank}`, ((rank * 37) % 100) + 1]);
  });

  test('names the lowest of ranks that are alike', () => {
    const alike = distribute(values(Array.from({ length: 20 }, () => 3)));
    assert.deepEqual(
      alike?.largest.map(({ rank }) => rank),
      [0, 1, 2, 3, 4],
    );
  });

  test('of nothing is nothing', () => assert.equal(distribute([]), undefined));
});

test('ranks are written as ranges, and very many ranges are cut off', () => {
  assert.equal(rankRanges(new Set([7, 0, 2, 1, 3])), '0-3,7');
  const even = rankRanges(new Set(Array.from({ length: 5000 }, (_, i) => 2 * i)));
  assert.match(even, /^0,2,4,.*,62,\.\.\.$/);
});

describe('times of ranks', () => {
  /** A rank whose clock began `lateMs` later, and that was staged at the same instants. */
  const rank = (number: number, lateMs: number): RankTimes => ({
    rank: number,
    host: `n${number}`,
    timeOriginMs: 1_000_000 + lateMs,
    receivedBytes: 10,
    times: [
      { phase: 'node', startMs: 0, workMs: 50, ms: 50 },
      { phase: 'boot', startMs: 400 - lateMs, workMs: 1, ms: 100 },
      { phase: 'locate', startMs: 500 - lateMs, workMs: number === 0 ? 30 : 1, ms: 30 },
    ],
  });

  for (const together of [true, false])
    test(`are set by ${together ? 'the first agreement' : 'the clock of the day'}`, () => {
      const ranks = [rank(0, 0), rank(1, 250), rank(2, -80)];
      // Under MPI nobody believes the clocks of other nodes.
      if (together) for (const one of ranks) one.timeOriginMs += 1e6 * one.rank;
      const { phases, timeline, nodes, received } = summarizeStaging(ranks, together);
      assert.equal(nodes, 3);
      assert.deepEqual(Object.keys(phases), ['node', 'boot', 'locate']);
      const starts = timeline.map(({ spans }) => spans.map(({ startMs }) => startMs));
      assert.deepEqual(starts, [
        [0, 400, 500],
        [250, 400, 500],
        [-80, 400, 500],
      ]);
      assert.deepEqual([phases['node']?.startMs, phases['locate']?.endMs], [-80, 530]);
      assert.deepEqual(phases['locate']?.work.largest[0], { rank: 0, host: 'n0', value: 30 });
      assert.equal(phases['locate'].wait.max, 29);
      assert.equal(received?.total, 30);
    });
});

describe('the report of 10,000 ranks', () => {
  const job: SimulatedJob = { ranks: 10_000, ranksPerNode: 16, slowNode: 77, modules: 1000 };
  const report = simulateReport(job);

  test('is as small as that of 512', () => {
    const small = simulateReport({ ...job, ranks: 512, slowNode: 7 });
    const bytes = JSON.stringify(report).length;
    assert.ok(bytes < 1.2 * JSON.stringify(small).length, `${bytes} bytes`);
  });

  test('names the slow node, its rank and host, and what was slow', () => {
    const slow = report.phases['extract']?.work.largest[0];
    assert.deepEqual([slow?.rank, slow?.host], [77 * 16, hostOf(77 * 16, job)]);
    const row = report.timeline.find(({ host }) => host === slow?.host);
    assert.deepEqual([row?.why, row?.rank, row?.quantile], ['slowest', 77 * 16, 1]);
  });

  test('has rank 0, the slowest nodes, and others from the fastest to the slowest', () => {
    assert.equal(report.nodes, 625);
    assert.equal(report.timeline.length, 32);
    assert.equal(new Set(report.timeline.map(({ host }) => host)).size, 32);
    const [first] = report.timeline;
    assert.deepEqual([first?.rank, first?.why], [0, 'root']);
    const quantiles = report.timeline.map(({ quantile }) => quantile).sort((a, b) => a - b);
    assert.ok((quantiles[0] ?? 1) < 0.05);
    // No large part of the nodes is left out.
    quantiles.reduce((last, next) => (assert.ok(next - last < 0.1), next));
  });

  test('counts each rank in each phase, and the ranks that tell of their program', () => {
    for (const phase of ['boot', 'locate', 'transfer', 'hooks'])
      assert.equal(report.phases[phase]?.work.ranks, 10_000);
    assert.deepEqual([report.received?.ranks, report.received?.total], [625, 625 * 70_000_000]);
    assert.equal(report.program?.ran.ranks, 250);
    assert.deepEqual(report.program.exitCodes, { 0: 250 });
    assert.ok(report.program.startMs > (report.phases['attach']?.startMs ?? Infinity));
  });
});

test('ranks that stage by themselves are merged from what each of them wrote', () => {
  const report = simulateReport({ ranks: 40, ranksPerNode: 4, together: false });
  assert.equal(report.nodes, 10);
  assert.equal(report.timeline.length, 10);
  assert.equal(report.phases['attach']?.work.ranks, 40);
  const program = report.timeline[3]?.spans.at(-1);
  assert.equal(program?.phase, 'program');
});
