/** One simulation: what is asked for, and what comes out. */
import { spawnSync } from 'node:child_process';

export interface Case {
  topology: string;
  nodes: number;
  bytes: number;
  /** As bench/simulated/simulate.cpp takes it. */
  algorithm: string;
  /** 0: walla chooses. */
  chunkBytes: number;
}

/** Times are simulated ones. */
export interface Simulated extends Case {
  /** Until the last node has all bytes. */
  seconds: number;
  /** Of walla: until the last node has its digest too, by one thread. */
  secondsWithDigest?: number;
  /** The same by four. Some older results lack it. */
  secondsWithDigestByFour?: number;
  /** What the simulation itself took. */
  cost: { processorSeconds: number; mebibytes: number };
}

/** Of a check: each node has received into memory of its own. */
export interface Checked extends Simulated {
  /** Nodes whose bytes have root's digest. */
  digestsAlike: number;
  /** Messages that were to be put outside the file, or where another one was. */
  misplaced: number;
  /** Bytes on all nodes but root. */
  received: number;
}

export interface Bounds {
  timeoutSeconds: number;
}

/** @returns undefined if it took longer than it may */
export function simulate(program: string, what: Case, bounds: Bounds): Simulated | undefined {
  return run(program, what, bounds, []) as Simulated | undefined;
}

export function check(program: string, what: Case, bounds: Bounds): Checked | undefined {
  return run(program, what, bounds, ['check']) as Checked | undefined;
}

function run(program: string, what: Case, { timeoutSeconds }: Bounds, more: string[]): unknown {
  const { topology, nodes, bytes, algorithm, chunkBytes } = what;
  const words = [topology, String(nodes), String(bytes), algorithm, String(chunkBytes), ...more];
  const { status, signal, stdout, stderr } = spawnSync('nice', ['-n', '10', program, ...words], {
    encoding: 'utf8',
    timeout: timeoutSeconds * 1000,
  });
  if (signal === 'SIGTERM') return undefined;
  if (status !== 0) throw new Error(`simulate ${words.join(' ')}: ${stderr}`);
  return JSON.parse(stdout);
}
