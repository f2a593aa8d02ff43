/** `Error.stackTraceLimit`, which a program may have frozen, deleted or set to anything. */

/**
 * Takes a stack trace with another limit. Where the program has made the limit something that is not to be
 * changed, or wants no trace, it stays.
 * @param change the limit for now, by what it is
 */
export function withStackTraceLimit<T>(change: (limit: number) => number, take: () => T): T {
  const own = Object.getOwnPropertyDescriptor(Error, 'stackTraceLimit');
  const limit: unknown = own?.value;
  if (own?.writable !== true || typeof limit !== 'number' || !(limit > 0)) return take();
  Error.stackTraceLimit = change(limit);
  try {
    return take();
  } finally {
    Error.stackTraceLimit = limit;
  }
}
