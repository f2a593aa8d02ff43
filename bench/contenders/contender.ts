import { spawnSync } from 'node:child_process';
import type { Cluster, ClusterNode } from '../../test/cluster/cluster.ts';
import type { NodeVersion } from '../../test/node-versions/index.ts';

/** Where the contenders find and put things. All of `shared` is behind the slow file system on the nodes. */
export interface Site {
  cluster: Cluster;
  node: NodeVersion;
  /** Ours to fill before the runs; the slow file system is not mounted while `prepare` runs. */
  shared: string;
  /** The application's directory in `shared`, with walla installed in its node_modules. */
  application: string;
  /** A directory on a local disk that every node has. */
  local: string;
  /** The program file, in the application's directory. */
  entry: string;
}

/** Stands in a command for the `--import` of the probe, after all that Node.js loads before the program. */
export const PROBE_HERE = '--probe';

/** What each rank runs. */
export interface Job {
  /** With `PROBE_HERE` among the options of Node.js. */
  command: string[];
  /** Working directory. */
  cwd: string;
  env?: Record<string, string>;
}

/** One way to start the program on all nodes. */
export interface Contender {
  name: string;
  /** What this row isolates, and what it leaves out. */
  isolates: string;
  /**
   * Once, before all runs, in no one's time.
   * @returns what each rank runs, or a sentence that says why it cannot be measured here
   */
  prepare: (site: Site) => Promise<Job | string>;
  /** Before each run, in no one's time, and before the slow file system is mounted. */
  before?: (nodes: readonly ClusterNode[], site: Site, job: Job) => Promise<void>;
  /** After each run, whatever came of it. */
  after?: (nodes: readonly ClusterNode[], site: Site) => Promise<void>;
}

/** Runs a program of the preparation. @returns why it failed, or undefined */
export function failure(
  command: string,
  args: string[],
  options: { cwd?: string; env?: NodeJS.ProcessEnv } = {},
): string | undefined {
  const { status, stdout, stderr, error } = spawnSync(command, args, {
    encoding: 'utf8',
    maxBuffer: 1 << 28,
    ...options,
  });
  if (error) return `${command}: ${error.message}`;
  if (status === 0) return undefined;
  const lines = `${stderr}\n${stdout}`.trim().split('\n');
  const why = lines.find((line) => /error/i.test(line)) ?? lines[0] ?? '';
  return `${command} ended with ${status}: ${why}`;
}

/** Runs a script on each node at once, and fails if it fails on one. */
export async function onEach(nodes: readonly ClusterNode[], script: string): Promise<void> {
  const results = await Promise.all(
    nodes.map((node) => node.run(['sh', '-c', script], { cwd: '/' })),
  );
  for (const { code, stderr } of results) if (code !== 0) throw new Error(stderr);
}
