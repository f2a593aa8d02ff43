/** Lines and numbers of a time axis. */
import { bar, element, percent } from './dom.ts';
import { axisStep, formatMs } from './format.ts';

export interface Range {
  startMs: number;
  endMs: number;
}

const LINES = 6;

function axis(range: Range): HTMLElement {
  const made = element('div', { class: 'axis', 'aria-hidden': true });
  const length = range.endMs - range.startMs;
  if (!(length > 0)) return made;
  const step = axisStep(length, LINES);
  for (let ms = Math.ceil(range.startMs / step) * step; ms <= range.endMs; ms += step) {
    const share = (ms - range.startMs) / length;
    // The last number would stand outside.
    const tick = element('span', { class: 'tick' }, share < 0.94 ? formatTick(ms, step) : '');
    tick.style.left = percent(share);
    made.append(tick);
  }
  return made;
}

function formatTick(ms: number, step: number): string {
  if (ms === 0) return '0';
  return step < 1000 && ms < 1000 ? `${Number(ms.toPrecision(6))} ms` : formatMs(ms);
}

/** A bar over a stretch of time, cut off where the range ends. */
export function span(className: string, range: Range, startMs: number, ms: number): HTMLElement {
  const length = range.endMs - range.startMs;
  const share = (at: number): number => Math.max(0, Math.min(1, (at - range.startMs) / length));
  return bar(className, share(startMs), share(startMs + ms));
}

/**
 * A table of rows along one axis.
 * @param name what a screen reader calls it
 * @param first heading of the column before the axis
 * @param numbers headings of the columns behind it
 */
export function chart(
  name: string,
  first: string,
  range: Range,
  numbers: readonly string[],
  body: HTMLElement,
): HTMLElement {
  const head = element(
    'tr',
    {},
    element('th', { scope: 'col' }, first),
    element('th', { scope: 'col', class: 'wide' }, axis(range)),
    ...numbers.map((title) => element('th', { scope: 'col', class: 'number' }, title)),
  );
  return element(
    'table',
    { class: 'chart', role: 'grid', 'aria-label': name },
    element('thead', {}, head),
    body,
  );
}
