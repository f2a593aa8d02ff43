/**
 * A report as a trace for chrome://tracing and Perfetto, in the "Trace Event Format" of the Chromium project. A process
 * stands for a node, a thread for a rank; rank 0's modules have a thread of their own.
 */
import { formatName } from '../format-name.ts';
import type { ModuleTime, Report, TimelineSpan } from '../report/report.ts';

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
const MODULES_THREAD = 0x7fffffff;

export function chromeTrace(report: Report): ChromeTrace {
  const { walla, node, archive, size, nodes, startedAtMs } = report;
  const events = report.timeline.flatMap(({ host, rank, spans }, pid) => [
    named('process_name', pid + 1, 0, formatName(host)),
    named('thread_name', pid + 1, rank + 1, `rank ${rank}`),
    ...spans.flatMap((span) => spanEvents(span, { pid: pid + 1, tid: rank + 1 })),
  ]);
  const root = report.timeline.findIndex(({ why }) => why === 'root') + 1;
  if (report.modules.length > 0)
    events.push(named('thread_name', root, MODULES_THREAD, 'modules of rank 0'));
  const modules = report.modules.flatMap((module) =>
    moduleEvents(module, { pid: root, tid: MODULES_THREAD }),
  );
  return {
    traceEvents: [...events, ...modules],
    displayTimeUnit: 'ms',
    otherData: { walla, node, archive: formatName(archive), size, nodes, startedAtMs },
  };
}

type Place = Pick<TraceEvent, 'pid' | 'tid'>;

function spanEvents({ phase, startMs, workMs, waitMs }: TimelineSpan, place: Place): TraceEvent[] {
  const events = [complete(phase, 'staging', startMs, workMs, place)];
  if (waitMs > 0)
    events.push(complete(`wait (${phase})`, 'staging', startMs + workMs, waitMs, place));
  return events;
}

function moduleEvents(module: ModuleTime, place: Place): TraceEvent[] {
  const { path, kind, packed, bytes, askedMs, loadMs, evaluatedMs, selfMs, totalMs } = module;
  const name = formatName(path);
  const args = { kind, packed, ...(bytes !== undefined && { bytes }) };
  const events: TraceEvent[] = [];
  if (loadMs !== undefined && evaluatedMs === undefined)
    events.push({ ...complete(name, 'load', askedMs, loadMs, place), args });
  if (evaluatedMs !== undefined && totalMs !== undefined)
    events.push({
      ...complete(name, 'evaluate', evaluatedMs, totalMs, place),
      args: { ...args, loadMs, selfMs },
    });
  return events;
}

function complete(
  name: string,
  cat: string,
  startMs: number,
  ms: number,
  { pid, tid }: Place,
): TraceEvent {
  return { name, ph: 'X', cat, pid, tid, ts: startMs * 1000, dur: Math.max(0, ms) * 1000 };
}

function named(what: string, pid: number, tid: number, name: string): TraceEvent {
  return { name: what, ph: 'M', pid, tid, args: { name } };
}
