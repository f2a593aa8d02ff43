/**
 * A slow shared file system for a test cluster: the same directory on every node through a FUSE mount of the node's
 * own, so that each node has its own caches, with one server behind all of them (server_queue.h).
 */
import { type ChildProcess, spawnSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { ClusterNode } from '../../test/cluster/cluster.ts';

const here = dirname(fileURLToPath(import.meta.url));
const program = join(here, '../../.cache/sharedfs/sharedfs');

export const kinds = [
  'lookup',
  'getattr',
  'readlink',
  'open',
  'read',
  'readdir',
  'write',
  'other',
] as const;
export type Kind = (typeof kinds)[number];

/** Requests of one rank on one node. `bytes` are those read and written. */
export type Counts = Record<Kind | 'bytes', number>;

/** Requests of one node by rank; -1 stands for what is no rank: launchers, shells. */
export type NodeCounts = Map<number, Counts>;

/** One request as the server saw it. */
export interface Request {
  /** Milliseconds since 1970, when it was answered. */
  atMs: number;
  rank: number;
  kind: Kind;
  bytes: number;
  /** Waiting for other requests included. */
  tookUs: number;
  path: string;
}

export interface SharedFsOptions {
  /** Microseconds of the server for a request that transfers nothing. Default 0. */
  metadataUs?: number;
  /** Microseconds of the server for a read or write, beside its bytes. Default 0. */
  readUs?: number;
  /** Bandwidth of the server. Default 0: without limit. */
  mibPerSecond?: number;
  /** How long clients keep names, attributes and pages. Default 0: not at all. */
  cacheSeconds?: number;
  /** Keeps every request for `SharedFs.unmount`. */
  trace?: boolean;
}

export interface SharedFsReport {
  /** By the node's host name. */
  counts: Map<string, NodeCounts>;
  /** In order of time, with `trace` alone. */
  requests: Request[];
}

/** A process that serves one node. */
interface Mount {
  child: ChildProcess;
  /** The last line it prints, once it has ended. */
  lastLine: Promise<string>;
}

export class SharedFs {
  readonly #scratch: string;
  /** By the node's host name. */
  readonly #mounts = new Map<string, Mount>();

  private constructor(scratch: string) {
    this.#scratch = scratch;
  }

  /** Why there can be no such file system here, as a sentence; undefined if there can. Builds it when needed. */
  static unavailableReason(): string | undefined {
    if (!existsSync('/dev/fuse')) return 'The slow file system needs /dev/fuse.';
    const flags = spawnSync('pkg-config', ['--cflags', '--libs', 'fuse3'], { encoding: 'utf8' });
    if (flags.status !== 0)
      return 'The slow file system needs libfuse 3 (Debian packages libfuse3-dev, pkg-config).';
    return build(flags.stdout.trim().split(/\s+/));
  }

  /**
   * Mounts over a directory on some nodes, with cold caches. What the directory holds is served from where it was.
   * Needs root, and `unavailableReason` to have been asked.
   */
  static async mount(
    nodes: readonly ClusterNode[],
    directory: string,
    options: SharedFsOptions = {},
  ): Promise<SharedFs> {
    const scratch = mkdtempSync(join(tmpdir(), 'walla-sharedfs-'));
    const shared = new SharedFs(scratch);
    process.once('exit', shared.#remove);
    const words = [
      `--queue=${join(scratch, 'queue')}`,
      `--metadata-us=${options.metadataUs ?? 0}`,
      `--read-us=${options.readUs ?? 0}`,
      `--mib-per-second=${options.mibPerSecond ?? 0}`,
      `--cache-seconds=${options.cacheSeconds ?? 0}`,
    ];
    try {
      const begun = nodes.map((node) => {
        const trace = options.trace ? [`--trace=${join(scratch, node.name)}.trace`] : [];
        return ready(node.spawn([program, ...words, ...trace, directory], { cwd: '/' }));
      });
      const mounts = await Promise.allSettled(begun);
      mounts.forEach((mount, index) => {
        const node = nodes[index];
        if (node && mount.status === 'fulfilled') shared.#mounts.set(node.name, mount.value);
      });
      await Promise.all(begun);
      return shared;
    } catch (error) {
      await shared.unmount().catch(() => undefined);
      throw error;
    }
  }

  /** Unmounts on all nodes and says what was asked of the server. Nothing may use the directory any more. */
  async unmount(): Promise<SharedFsReport> {
    for (const { child } of this.#mounts.values()) child.kill('SIGTERM');
    const counts = new Map<string, NodeCounts>();
    try {
      for (const [name, { lastLine }] of this.#mounts)
        counts.set(name, parseCounts(await lastLine));
      return { counts, requests: this.#readTraces() };
    } finally {
      process.off('exit', this.#remove);
      this.#remove();
    }
  }

  readonly #remove = (): void => {
    rmSync(this.#scratch, { recursive: true, force: true });
  };

  #readTraces(): Request[] {
    return readdirSync(this.#scratch)
      .filter((name) => name.endsWith('.trace'))
      .flatMap((name) => readFileSync(join(this.#scratch, name), 'utf8').split('\n'))
      .filter((line) => line !== '')
      .map(parseRequest)
      .sort((a, b) => a.atMs - b.atMs);
  }
}

/** Adds up the requests of some ranks. */
export function sum(parts: Iterable<Counts>): Counts {
  const total = noRequests();
  for (const part of parts) for (const key of [...kinds, 'bytes'] as const) total[key] += part[key];
  return total;
}

export function noRequests(): Counts {
  return Object.fromEntries([...kinds, 'bytes'].map((key) => [key, 0])) as Counts;
}

/** All requests, whatever their kind. */
export function requestCount(counts: Counts): number {
  return kinds.reduce((total, kind) => total + counts[kind], 0);
}

/** @return why it cannot be built */
function build(fuseFlags: string[]): string | undefined {
  const sources = readdirSync(here).filter((name) => /\.(cpp|h)$/.test(name));
  const newest = Math.max(...sources.map((name) => statSync(join(here, name)).mtimeMs));
  if (existsSync(program) && statSync(program).mtimeMs > newest) return undefined;
  mkdirSync(dirname(program), { recursive: true });
  const built = `${program}.${process.pid}`;
  const flags = ['-std=c++17', '-O2', '-Wall', '-Wextra', '-Werror'];
  const files = sources.filter((name) => name.endsWith('.cpp')).map((name) => join(here, name));
  const { status, stderr, error } = spawnSync(
    process.env['CXX'] ?? 'c++',
    [...flags, ...files, ...fuseFlags, '-o', built],
    { encoding: 'utf8' },
  );
  if (error) return `The slow file system needs a C++ compiler: ${error.message}`;
  // It is part of this repository: that it does not compile is no reason to go on without it.
  if (status !== 0) throw new Error(stderr);
  renameSync(built, program);
  return undefined;
}

/** Waits until it is mounted. */
async function ready(child: ChildProcess): Promise<Mount> {
  const { stdout, stderr } = child;
  if (!stdout || !stderr) throw new Error('no pipes');
  let errors = '';
  stderr.on('data', (text: Buffer) => (errors += text.toString()));
  const lines: string[] = [];
  const reader = createInterface(stdout);
  reader.on('line', (line) => lines.push(line));
  const closed = new Promise<void>((resolve) => reader.once('close', resolve));
  await Promise.race([new Promise((resolve) => reader.once('line', resolve)), closed]);
  if (lines[0] !== 'ready') throw new Error(`the slow file system did not start: ${errors}`);
  return { child, lastLine: closed.then(() => lines.at(-1) ?? '') };
}

function parseCounts(text: string): NodeCounts {
  const counts = JSON.parse(text) as Record<string, Counts>;
  return new Map(Object.entries(counts).map(([rank, of]) => [Number(rank), of]));
}

function parseRequest(line: string): Request {
  const [seconds, rank, kind, bytes, took, ...path] = line.split('\t');
  return {
    atMs: Number(seconds) * 1000,
    rank: Number(rank),
    kind: kind as Kind,
    bytes: Number(bytes),
    tookUs: Number(took),
    path: path.join('\t'),
  };
}
