/** The trace of a report: by the letter of its format, and as a real viewer takes it, DevTools of Chromium. */
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { type BrowserContext, chromium } from 'playwright-core';
import { intoLanes } from '../../stage/report-page/lanes.ts';
import { chromeTrace, type TraceEvent } from '../../stage/report-page/trace.ts';
import { chromiumPath } from './chromium.ts';
import { HOSTILE_NAMES } from './hostile-names.ts';
import { simulateReport } from './simulated-job.ts';

const report = simulateReport({ ranks: 8, ranksPerNode: 2, slowNode: 1, modules: 60 });
const { traceEvents } = chromeTrace(report);

/** What a report says of rank 0's or another node leader's thread: name and start of each slice, in microseconds. */
const expectedThreads = report.timeline.map(({ host, rank, spans }) => ({
  process: host,
  thread: `rank ${rank}`,
  slices: spans.flatMap(({ phase, startMs, workMs, waitMs }) => [
    [phase, Math.round(startMs * 1000)],
    ...(waitMs > 0 ? [[`wait (${phase})`, Math.round((startMs + workMs) * 1000)]] : []),
  ]) as [string, number][],
}));
expectedThreads.sort((a, b) => (a.process < b.process ? -1 : 1));

/** The same of a trace: by thread, slices that no other holds. */
interface Thread {
  process: string;
  thread: string;
  slices: [name: string, us: number][];
  roots: number;
}

describe('a trace', () => {
  test('has no field but those of the format, and names and orders each process and thread', () => {
    const allowed = {
      X: ['args', 'cat', 'dur', 'name', 'ph', 'pid', 'tid', 'ts'],
      M: ['args', 'name', 'ph', 'pid', 'tid'],
    };
    const named = new Set<string>();
    for (const event of traceEvents) {
      const { name, ph, pid, tid, ts = 0, dur = 0, args } = event;
      assert.deepEqual(
        Object.keys(event).filter((key) => !allowed[ph].includes(key)),
        [],
      );
      for (const number of [pid, tid, ts, dur])
        assert.ok(Number.isInteger(number) && number >= 0, JSON.stringify(event));
      assert.ok(tid <= 0x7fffffff);
      if (ph === 'M')
        named.add(`${name} ${pid} ${tid} ${typeof (args?.['name'] ?? args?.['sort_index'])}`);
      else {
        for (const key of ['process_name', 'process_sort_index'])
          assert.ok(named.has(`${key} ${pid} 0 ${key.endsWith('name') ? 'string' : 'number'}`));
        for (const key of ['thread_name', 'thread_sort_index'])
          assert.ok(
            named.has(`${key} ${pid} ${tid} ${key.endsWith('name') ? 'string' : 'number'}`),
          );
      }
    }
    const modules = traceEvents.filter(({ cat }) => cat === 'load' || cat === 'evaluate');
    assert.equal(modules.length, 60);
  });

  test('has no two slices in a thread that overlap in part', () => {
    const threads = new Map<string, TraceEvent[]>();
    for (const event of traceEvents.filter(({ ph }) => ph === 'X')) {
      const key = `${event.pid} ${event.tid}`;
      threads.set(key, [...(threads.get(key) ?? []), event]);
    }
    assert.ok(threads.size > report.timeline.length, 'the modules need a lane at least');
    for (const events of threads.values())
      for (const { ts: a = 0, dur: b = 0 } of events)
        for (const { ts: c = 0, dur: d = 0 } of events)
          assert.ok(!(a < c && c < a + b && a + b < c + d), `${a}+${b} and ${c}+${d}`);
  });

  test('cuts what rounding makes overlap, and gives a lane to what really does', () => {
    const slices = [
      { startUs: 0, endUs: 100 },
      { startUs: 90, endUs: 200 },
      { startUs: 150, endUs: 400 },
      { startUs: 150, endUs: 260 },
      { startUs: 400, endUs: 500 },
    ];
    assert.deepEqual(intoLanes(slices), [
      { startUs: 0, endUs: 100, lane: 0 },
      { startUs: 100, endUs: 200, lane: 0 },
      { startUs: 150, endUs: 400, lane: 1 },
      { startUs: 150, endUs: 260, lane: 1 },
      { startUs: 400, endUs: 500, lane: 0 },
    ]);
  });

  const skip = chromiumPath === undefined && 'there is no Chromium here';
  describe('in DevTools', { skip }, () => {
    let browser: BrowserContext;
    let directory: string;
    before(async () => {
      if (skip) return;
      directory = mkdtempSync(join(tmpdir(), 'walla-trace-'));
      browser = await chromium.launchPersistentContext(directory, {
        executablePath: chromiumPath ?? '',
        // The browser serves DevTools at this port.
        args: ['--no-sandbox', '--disable-dev-shm-usage', '--remote-debugging-port=0'],
      });
    });
    after(async () => {
      if (skip) return;
      await browser.close();
      rmSync(directory, { recursive: true, force: true });
    });

    /** Opens a trace, and says which threads are drawn, or what the trace's engine has found. */
    async function threadsOf(events: readonly TraceEvent[]): Promise<Thread[]> {
      const [port] = readFileSync(join(directory, 'DevToolsActivePort'), 'utf8').split('\n');
      const origin = `http://127.0.0.1:${port}`;
      const page = await browser.newPage();
      try {
        await page.goto(`${origin}/devtools/trace_app.html`);
        return await page.evaluate(async (traceEvents) => {
          const name = '/devtools/models/trace/trace.js';
          const { TraceModel } = (await import(name)) as DevToolsTrace;
          const model = TraceModel.Model.createWithAllHandlers();
          await model.parse(traceEvents, { metadata: {} });
          const { Meta, Renderer } = model.parsedTrace(0).data;
          return [...Renderer.processes].flatMap(([pid, { threads }]) =>
            [...threads.values()].map(({ name: thread, entries, tree }) => ({
              process: Meta.processNames.get(pid)?.args.name ?? '',
              thread,
              slices: entries.map(({ name, ts }): [string, number] => [name, ts]),
              roots: tree.roots.size,
            })),
          );
        }, events);
      } finally {
        await page.close();
      }
    }

    test('every node is a process, every rank a thread, and its phases follow each other', async () => {
      const threads = await threadsOf(traceEvents);
      const ranks = threads.filter(({ thread }) => !thread.startsWith('modules'));
      const byProcess = (a: { process: string }, b: { process: string }) =>
        a.process < b.process ? -1 : 1;
      assert.equal(ranks.length, expectedThreads.length);
      ranks.sort(byProcess).forEach(({ process, thread, slices, roots }, at) => {
        const expected = expectedThreads[at];
        assert.deepEqual(
          [process, thread, roots],
          [expected?.process, expected?.thread, slices.length],
        );
        const names = (all: [string, number][] = []) => all.map(([name]) => name);
        assert.deepEqual(names(slices), names(expected?.slices));
        // The report rounds to 10 microseconds, which may let two phases overlap by twice that.
        slices.forEach(([name, us], slice) =>
          assert.ok(Math.abs(us - (expected?.slices[slice]?.[1] ?? NaN)) <= 20, name),
        );
      });
      const modules = threads.filter(({ thread }) => thread.startsWith('modules'));
      assert.ok(modules.every(({ process }) => process === expectedThreads[0]?.process));
      assert.equal(modules.flatMap(({ slices }) => slices).length, report.modules.length);
    });

    test('names are names, whatever is in them', async () => {
      const [module] = report.modules;
      assert.ok(module);
      const modules = HOSTILE_NAMES.map((path, at) => ({ ...module, path, askedMs: at * 1000 }));
      const threads = await threadsOf(chromeTrace({ ...report, modules }).traceEvents);
      const found = threads.find(({ thread }) => thread === 'modules of rank 0');
      assert.equal(found?.slices.length, HOSTILE_NAMES.length);
    });
  });
});

/** Of the module of Chromium's DevTools that reads traces, what is used here. */
interface DevToolsTrace {
  TraceModel: {
    Model: {
      createWithAllHandlers(): {
        parse(events: readonly TraceEvent[], options: { metadata: object }): Promise<void>;
        parsedTrace(index: number): {
          data: {
            Meta: { processNames: Map<number, { args: { name: string } }> };
            Renderer: {
              processes: Map<
                number,
                {
                  threads: Map<
                    number,
                    {
                      name: string;
                      entries: { name: string; ts: number }[];
                      tree: { roots: Set<unknown> };
                    }
                  >;
                }
              >;
            };
          };
        };
      };
    };
  };
}
