/**
 * A report as a trace for Perfetto and DevTools, in the "Trace Event Format" of the Chromium project. A process
 * stands for a node, a thread for a rank; rank 0's modules have threads of their own.
 */
import { formatName } from '../format-name.ts';

import type { ModuleTime, Report, TimelineSpan } from '../report/report.ts';
import { intoLanes, type Slice } from './lanes.ts';

export interface TraceEvent {
  name: string;
  /** Complete event, or metadata. */
  ph: 'X' | 'M';
  pid: number;
  tid: number;
  /** Microseconds. */
  ts?: number;
  dur?: number;
  cat?: string;
  args?: Record<string, unknown>;
}

export interface ChromeTrace {
  traceEvents: TraceEvent[];
  displayTimeUnit: 'ms';
  otherData: Record<string, string | number>;
}

/** Ranks are threads from 1 on: viewers take thread 0 for something else. */
const MODULES_THREAD = 0x7fff_0000;

export function chromeTrace(report: Report): ChromeTrace {
  const { walla, node, archive, size, nodes, startedAtMs } = report;
  const ranks = report.timeline.flatMap(({ host, rank, spans }, index) => {
    const pid = index + 1;
    const tracks = intoLanes(spans.flatMap(spanSlices));
    return [
      metadata('process_name', pid, 0, { name: formatName(host) }),
      metadata('process_sort_index', pid, 0, { sort_index: pid }),
      ...threads(tracks, pid, rank + 1, `rank ${rank}`),
    ];
  });
  const root = report.timeline.findIndex(({ why }) => why === 'root') + 1;
  const modules = intoLanes(report.modules.flatMap(moduleSlices));
  return {
    traceEvents: [...ranks, ...threads(modules, root, MODULES_THREAD, 'modules of rank 0')],
    displayTimeUnit: 'ms',
    otherData: { walla, node, archive: formatName(archive), size, nodes, startedAtMs },
  };
}

interface TraceSlice extends Slice {
  name: string;
  cat: string;
  args?: Record<string, unknown>;
}

/** The events of a thread, with one more thread for each lane that its slices need. */
function threads(
  slices: (TraceSlice & { lane: number })[],
  pid: number,
  firstTid: number,
  name: string,
): TraceEvent[] {
  const lanes = [...new Set(slices.map(({ lane }) => lane))].sort((a, b) => a - b);
  return [
    ...lanes.flatMap((lane) => {
      const tid = firstTid + lane;
      return [
        metadata('thread_name', pid, tid, { name: lane === 0 ? name : `${name} (${lane + 1})` }),
        metadata('thread_sort_index', pid, tid, { sort_index: tid }),
      ];
    }),
    ...slices.map(({ name, cat, startUs, endUs, lane, args }): TraceEvent => {
      const place = { pid, tid: firstTid + lane };
      return {
        name,
        ph: 'X',
        cat,
        ...place,
        ts: startUs,
        dur: endUs - startUs,
        ...(args && { args }),
      };
    }),
  ];
}

function spanSlices({ phase, startMs, workMs, waitMs }: TimelineSpan): TraceSlice[] {
  const work = slice(phase, 'staging', startMs, workMs);
  const endMs = startMs + workMs;
  return waitMs > 0 ? [work, slice(`wait (${phase})`, 'staging', endMs, waitMs)] : [work];
}

function moduleSlices(module: ModuleTime): TraceSlice[] {
  const { path, kind, packed, bytes, askedMs, loadMs, evaluatedMs, selfMs, totalMs } = module;
  const name = formatName(path);
  const args = { kind, packed, ...(bytes !== undefined && { bytes }) };
  if (evaluatedMs !== undefined && totalMs !== undefined)
    return [
      { ...slice(name, 'evaluate', evaluatedMs, totalMs), args: { ...args, loadMs, selfMs } },
    ];
  return loadMs === undefined ? [] : [{ ...slice(name, 'load', askedMs, loadMs), args }];
}

function slice(name: string, cat: string, startMs: number, ms: number): TraceSlice {
  const [startUs, endUs] = [startMs, startMs + Math.max(0, ms)].map((at) => Math.round(at * 1000));
  return { name, cat, startUs: startUs ?? 0, endUs: endUs ?? 0 };
}

function metadata(
  name: string,
  pid: number,
  tid: number,
  args: Record<string, unknown>,
): TraceEvent {
  return { name, ph: 'M', pid, tid, args };
}
