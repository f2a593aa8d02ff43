/** Milliseconds since this process started. `performance.now()` says the same, and takes milliseconds to load. */
export function processMs(): number {
  return process.uptime() * 1000;
}
