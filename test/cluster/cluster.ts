import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { Socket } from 'node:net';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { mpichProgress } from './mpich-progress.ts';
import { missingFor, type Needs } from './requirements.ts';

const here = path.dirname(fileURLToPath(import.meta.url));
const NETWORK = '10.77.0.0/24';

/** Everything a command can be given beyond its words. */
export interface RunOptions {
  /** Working directory; the same path exists on every node. Default: that of this process. */
  cwd?: string;
  /** Added to this process's environment; `undefined` removes a variable. */
  env?: Record<string, string | undefined>;
  /** Ends the command (SIGTERM) after so many milliseconds. Default 60,000. */
  timeoutMs?: number;
}

export interface MpiOptions extends RunOptions {
  /** Default `openmpi`. */
  mpi?: 'openmpi' | 'mpich';
  /** Ranks on each node, by position: `[2, 0, 1]` is 2 on nid001, 1 on nid003. A number is for all. Default 1. */
  slots?: number | number[];
  /** More arguments for mpirun itself. */
  arguments?: string[];
}

export interface RunResult {
  /** Exit code; null if a signal ended it. */
  code: number | null;
  signal: NodeJS.Signals | null;
  stdout: string;
  stderr: string;
  timedOut: boolean;
}

/** One node of a cluster. */
export class ClusterNode {
  /** Host name: nid001, nid002, ... */
  readonly name: string;
  /** 10.77.0.1, 10.77.0.2, ... */
  readonly address: string;
  /** The node's init process, as this process sees it. */
  readonly pid: number;

  constructor(name: string, address: string, pid: number) {
    this.name = name;
    this.address = address;
    this.pid = pid;
  }

  /** Runs a command on this node. */
  run(command: string[], options: RunOptions = {}): Promise<RunResult> {
    return collect(enter(this.pid, command, options, {}), options);
  }

  /** Starts a command on this node and hands over its process (of nsenter; the command gets SIGTERM when that dies). */
  spawn(command: string[], options: RunOptions = {}): ChildProcess {
    return enter(this.pid, command, options, {});
  }

  /** Bytes that crossed the node's network interface so far (loopback not counted). */
  traffic(): { receivedBytes: number; sentBytes: number } {
    const line = /^\s*eth0:(.*)$/m.exec(readFileSync(`/proc/${this.pid}/net/dev`, 'utf8'))?.[1];
    const fields = line?.trim().split(/\s+/).map(Number) ?? [];
    return { receivedBytes: fields[0] ?? NaN, sentBytes: fields[8] ?? NaN };
  }

  /** Crashes the node: every process on it ends at once, and its address stops answering. */
  kill(): void {
    process.kill(this.pid, 'SIGKILL');
  }
}

/**
 * A cluster on one machine: nodes with their own network address, host name, /dev/shm and PIDs on
 * a virtual switch, and a login node to start jobs from. Needs root. Use it as
 * `await using cluster = await Cluster.start({ nodes: 4 })`, or call `stop()` in a `finally`.
 * All other files are those of this machine: they are the shared file system.
 */
export class Cluster {
  readonly nodes: readonly ClusterNode[];
  readonly #holder: ChildProcess;
  readonly #loginPid: number;
  readonly #stopped: Promise<void>;

  private constructor(holder: ChildProcess, loginPid: number, nodes: ClusterNode[]) {
    this.#holder = holder;
    this.#loginPid = loginPid;
    this.nodes = nodes;
    this.#stopped = new Promise((resolve) => holder.once('close', () => resolve()));
  }

  /**
   * Why there can be no cluster here, as a sentence to skip a test with; undefined if there can.
   * @param needs what else the test needs (default: Open MPI)
   */
  static unavailableReason(needs: Needs = { mpi: 'openmpi' }): string | undefined {
    return missingFor(needs);
  }

  /**
   * Builds a cluster. It ends with `stop()`, and whenever this process ends, however it ends.
   * @param options.nodes number of nodes, 1 to 250
   * @param options.shm size of each node's /dev/shm as tmpfs takes it, e.g. '16m' (default 256m)
   * @param options.shmOptions more mount options of /dev/shm, e.g. 'noexec'
   */
  static async start(options: {
    nodes: number;
    shm?: string;
    shmOptions?: string;
  }): Promise<Cluster> {
    const shm = [`size=${options.shm ?? '256m'}`, options.shmOptions].filter(Boolean).join(',');
    const unshare = ['--net', '--uts', '--mount', '--pid', '--fork', '--kill-child'];
    const holder = spawn(
      'unshare',
      // prettier-ignore
      [...unshare, '--propagation', 'private', 'bash', path.join(here, 'nodes.sh'), 'login', String(options.nodes), shm],
      // Its own process group: an interrupt typed at a terminal is for the tests, not for the nodes.
      { stdio: ['pipe', 'pipe', 'pipe'], detached: true },
    );
    let errors = '';
    holder.stderr.on('data', (text: Buffer) => (errors += text.toString()));
    const pids = new Map<string, number>();
    let ready = false;
    for await (const line of createInterface(holder.stdout)) {
      const [word, name, pid] = line.split(' ');
      if (word === 'node' && name !== undefined) pids.set(name, Number(pid));
      if (word === 'ready') {
        ready = true;
        break;
      }
    }
    if (!ready || holder.pid === undefined) {
      holder.kill('SIGKILL');
      throw new Error(`the cluster did not start: ${errors.trim()}`);
    }
    const loginPid = childrenOf(holder.pid)[0];
    if (loginPid === undefined) throw new Error(`the cluster ended while it started: ${errors}`);
    // The login node named the nodes by PIDs of its own PID namespace.
    const inits = new Map(
      childrenOf(loginPid)
        .flatMap(childrenOf)
        .map((pid) => [pidInParentNamespace(pid), pid]),
    );
    const nodes = [...pids].map(([name, pid], index) => {
      const hostPid = inits.get(pid);
      if (hostPid === undefined) throw new Error(`node ${name} ended while it started: ${errors}`);
      return new ClusterNode(name, `10.77.0.${index + 1}`, hostPid);
    });
    // The cluster does not keep its owner alive.
    for (const handle of handlesOf(holder)) handle.unref();
    return new Cluster(holder, loginPid, nodes);
  }

  /** Variables that make a bare `mpirun` on the login node, of either MPI, use this cluster. */
  environment(): Record<string, string> {
    const rsh = path.join(here, 'rsh.sh');
    return {
      OMPI_ALLOW_RUN_AS_ROOT: '1',
      OMPI_ALLOW_RUN_AS_ROOT_CONFIRM: '1',
      OMPI_MCA_plm: 'rsh',
      OMPI_MCA_plm_rsh_agent: rsh,
      OMPI_MCA_plm_rsh_no_tree_spawn: '1',
      OMPI_MCA_btl: 'tcp,self,vader',
      OMPI_MCA_pml: 'ob1',
      OMPI_MCA_btl_tcp_if_include: NETWORK,
      OMPI_MCA_oob_tcp_if_include: NETWORK,
      OMPI_MCA_hwloc_base_binding_policy: 'none',
      OMPI_MCA_rmaps_base_oversubscribe: '1',
      // A waiting rank yields: there are more ranks than cores.
      OMPI_MCA_mpi_yield_when_idle: '1',
      // Keeps Open MPI's own files off /tmp, which all nodes share, and off /dev/shm, which tests fill.
      OMPI_MCA_orte_tmpdir_base: '/run',
      OMPI_MCA_btl_vader_backing_directory: '/run',
      HYDRA_LAUNCHER: 'ssh',
      HYDRA_LAUNCHER_EXEC: rsh,
      HYDRA_IFACE: 'br0',
      // UCX knows machines apart by the kernel's boot id, which all nodes share: without this it tries
      // shared memory between nodes, and jobs hang in MPI_Finalize.
      UCX_TLS: 'tcp,self',
      UCX_NET_DEVICES: 'eth0',
      WALLA_CLUSTER_HOSTS: this.nodes.map((node) => node.name).join(','),
    };
  }

  /** Runs a command on the login node, which has no ranks of its own. */
  run(command: string[], options: RunOptions = {}): Promise<RunResult> {
    return collect(enter(this.#loginPid, command, options, this.environment()), options);
  }

  /** Starts a command on the login node and hands over its process, with the given standard streams. */
  spawn(
    command: string[],
    options: RunOptions = {},
    stdio: 'pipe' | 'inherit' = 'pipe',
  ): ChildProcess {
    return enter(this.#loginPid, command, options, this.environment(), stdio);
  }

  /** Runs a command as an MPI job over the nodes and waits for its end. */
  mpirun(command: string[], options: MpiOptions = {}): Promise<RunResult> {
    return this.run(this.mpirunCommand(command, options), options);
  }

  /** The words that `mpirun` runs, for callers that start them themselves. */
  mpirunCommand(command: string[], options: MpiOptions = {}): string[] {
    const { slots = 1, mpi = 'openmpi' } = options;
    const counts = this.nodes.map((_, i) => (typeof slots === 'number' ? slots : (slots[i] ?? 0)));
    const hosts = this.nodes
      .map((node, i) => ({ name: node.name, count: counts[i] ?? 0 }))
      .filter((host) => host.count > 0)
      .map((host) => `${host.name}:${host.count}`)
      .join(',');
    const ranks = String(counts.reduce((sum, count) => sum + count, 0));
    const extra = options.arguments ?? [];
    if (mpi === 'openmpi') {
      return ['mpirun.openmpi', '-n', ranks, '--host', hosts, ...extra, ...command];
    }
    const preloads = [mpichProgress(), options.env?.['LD_PRELOAD']].filter(Boolean).join(' ');
    const own = ['-genv', 'LD_PRELOAD', preloads];
    return ['mpirun.mpich', '-n', ranks, '-hosts', hosts, ...own, ...extra, ...command];
  }

  /** Ends every process of the cluster and waits until they, and with them its namespaces, are gone. */
  async stop(): Promise<void> {
    // The pipes too: their ends may come after that of the process, and `close` waits for both.
    for (const handle of handlesOf(this.#holder)) handle.ref();
    // Not the holder but the init below it: when that has gone the kernel has ended all the others.
    try {
      process.kill(this.#loginPid, 'SIGKILL');
    } catch {
      // It ended already.
    }
    await this.#stopped;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }
}

function enter(
  pid: number,
  command: string[],
  options: RunOptions,
  clusterEnvironment: Record<string, string>,
  stdio: 'pipe' | 'inherit' = 'pipe',
): ChildProcess {
  // The directory has to be entered inside: one opened outside belongs to another mount namespace.
  // setpriv passes the end of nsenter on, which would otherwise leave the command running.
  return spawn(
    'nsenter',
    // prettier-ignore
    ['--target', String(pid), '--net', '--uts', '--mount', '--pid', '--', 'setpriv', '--pdeathsig', 'TERM',
      'bash', '-c', 'cd "$1" && shift && exec "$@"', 'run', options.cwd ?? process.cwd(), ...command],
    {
      env: { ...process.env, NODE_TEST_CONTEXT: undefined, ...clusterEnvironment, ...options.env },
      stdio: stdio === 'pipe' ? ['ignore', 'pipe', 'pipe'] : 'inherit',
    },
  );
}

function collect(child: ChildProcess, options: RunOptions): Promise<RunResult> {
  return new Promise((resolve, reject) => {
    let stdout = '';
    let stderr = '';
    let timedOut = false;
    const timer = setTimeout(() => {
      timedOut = true;
      child.kill('SIGTERM');
    }, options.timeoutMs ?? 60_000);
    child.stdout?.setEncoding('utf8').on('data', (text: string) => (stdout += text));
    child.stderr?.setEncoding('utf8').on('data', (text: string) => (stderr += text));
    child.once('error', (error) => {
      clearTimeout(timer);
      reject(error);
    });
    child.once('close', (code, signal) => {
      clearTimeout(timer);
      resolve({ code, signal, stdout, stderr, timedOut });
    });
  });
}

/** What of a child process keeps the event loop going: the process itself, and its pipes, which are sockets. */
function handlesOf(child: ChildProcess): { ref(): void; unref(): void }[] {
  const pipes = [child.stdin, child.stdout, child.stderr] as unknown[];
  return [child, ...pipes.filter((pipe) => pipe instanceof Socket)];
}

/** By ps and not /proc/PID/task/PID/children, which not every kernel has. */
function childrenOf(pid: number): number[] {
  const { stdout } = spawnSync('ps', ['-o', 'pid=', '--ppid', String(pid)], { encoding: 'utf8' });
  return stdout.trim().split(/\s+/).filter(Boolean).map(Number);
}

function pidInParentNamespace(pid: number): number {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  return Number(/^NSpid:\s*(.*)$/m.exec(status)?.[1]?.split(/\s+/).at(-2));
}
