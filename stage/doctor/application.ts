/** What file system the program is on, and how long it takes to answer. */
import { lstatSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { type Check, stopped, type Subject } from './check.ts';
import { fileSystemOf } from './file-system.ts';

/** As many names as give a steady median, and end soon at 10 ms each. */
const SAMPLE = 256;
/** Beyond this, looking names up is what a start waits for. */
const SLOW_US = 50;

export interface StatLatency {
  names: number;
  /** Medians in microseconds: of names not looked at before by this process, and of the same ones again. */
  firstUs: number;
  againUs: number;
}

/** Looks at names below a directory, breadth first. The kernel or the client may have cached them before. */
export function measureStats(directory: string): StatLatency {
  const paths = namesBelow(directory);
  const pass = (): number => {
    const times = paths.map((path) => {
      const start = process.hrtime.bigint();
      lstatSync(path, { throwIfNoEntry: false });
      return Number(process.hrtime.bigint() - start) / 1000;
    });
    times.sort((a, b) => a - b);
    return times[times.length >> 1] ?? 0;
  };
  return { names: paths.length, firstUs: pass(), againUs: pass() };
}

function namesBelow(directory: string): string[] {
  const found: string[] = [];
  const queue = [directory];
  for (let at = queue.shift(); at !== undefined && found.length < SAMPLE; at = queue.shift()) {
    for (const child of readdirSync(at, { withFileTypes: true })) {
      if (found.length >= SAMPLE) break;
      found.push(join(at, child.name));
      if (child.isDirectory()) queue.push(join(at, child.name));
    }
  }
  return found;
}

export function checkApplication({ directory }: Subject): Check {
  const name = 'application directory';
  try {
    const { type, shared } = fileSystemOf(directory);
    const latency = measureStats(directory);
    const { names, firstUs, againUs } = latency;
    const found = `${directory} is on ${type}${shared ? ', which is shared' : ''}: ${firstUs.toFixed(1)} us for one lstat, ${againUs.toFixed(1)} us again (medians of ${names} names)`;
    const data = { directory, type, shared, ...latency };
    if (!shared && firstUs < SLOW_US) return { name, status: 'ok', found, data };
    return {
      name,
      status: 'ok',
      found: `${found}: what walla is for`,
      hint: 'walla run packs ahead and prestages: walla run -n 4 -- node app.mjs',
      data,
    };
  } catch (error) {
    return stopped(name, error);
  }
}
