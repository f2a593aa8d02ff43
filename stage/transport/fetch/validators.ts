/** What the headers of a response say about which bytes it has: RFC 9110, sections 8.8, 13.1.5 and 14.4. */
import type { IncomingHttpHeaders } from 'node:http';

/** A version of a file on a server. */
export interface Version {
  etag: string | undefined;
  lastModified: string | undefined;
  /** Value for If-Range: only what names exact bytes; undefined: a transfer cannot be resumed. */
  exact: string | undefined;
}

export function versionOf(headers: IncomingHttpHeaders): Version {
  const { etag, 'last-modified': lastModified, date } = headers;
  const strong = etag !== undefined && /^"[^"]*"$/.test(etag) ? etag : undefined;
  // A date has whole seconds: it is exact only when the file was left alone for one since.
  const settled =
    Date.parse(date ?? '') - Date.parse(lastModified ?? '') >= 1000 ? lastModified : undefined;
  return { etag, lastModified, exact: strong ?? (etag === undefined ? settled : undefined) };
}

/** The Content-Range of a 206 answer; undefined when it is none, or makes no sense. */
export function contentRange(
  header: string | undefined,
): { start: number; end: number; total: number | undefined } | undefined {
  const match = /^bytes (\d{1,15})-(\d{1,15})\/(\d{1,15}|\*)$/.exec(header ?? '');
  if (!match) return undefined;
  const start = Number(match[1]);
  const end = Number(match[2]);
  const total = match[3] === '*' ? undefined : Number(match[3]);
  if (end < start || (total !== undefined && end >= total)) return undefined;
  return { start, end, total };
}

export function contentLength(headers: IncomingHttpHeaders): number | undefined {
  const text = headers['content-length'];
  return text !== undefined && /^\d{1,15}$/.test(text) ? Number(text) : undefined;
}

/** Milliseconds that a Retry-After header asks to wait; 0 without one. */
export function retryAfterMs(header: string | undefined): number {
  if (header === undefined) return 0;
  const ms = /^\d{1,9}$/.test(header) ? Number(header) * 1000 : Date.parse(header) - Date.now();
  return ms > 0 ? ms : 0;
}
