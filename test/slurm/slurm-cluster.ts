import { randomBytes } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Cluster, type RunOptions, type RunResult } from '../cluster/cluster.ts';

const PROGRAMS = ['munged', 'slurmctld', 'slurmd', 'srun', 'sbatch', 'sinfo'];
const CPUS_PER_NODE = 2;
const START_MS = 30_000;
const JOB_MS = 120_000;

/** How a batch job ended. */
export interface BatchResult {
  /** As `squeue` and `scontrol` name it: COMPLETED, FAILED, TIMEOUT, ... */
  state: string;
  /** What the script wrote, stdout and stderr together; of a job array the outputs of all elements. */
  output: string;
}

/**
 * A real Slurm on a cluster of namespaces: slurmctld on the login node, slurmd on each node, and one munged whose
 * socket all of them reach by its path. Everything ends with the cluster. Needs root.
 */
export class SlurmCluster {
  readonly cluster: Cluster;
  /** Configuration, logs and the munge socket: on the file system that all nodes share. */
  readonly directory: string;

  private constructor(cluster: Cluster, directory: string) {
    this.cluster = cluster;
    this.directory = directory;
  }

  /** Why there can be none here, as a sentence to skip a test with; undefined if there can. */
  static unavailableReason(): string | undefined {
    return Cluster.unavailableReason({ mpi: 'none', programs: PROGRAMS });
  }

  /** Returns when all nodes are idle. */
  static async start(options: { nodes: number; shm?: string }): Promise<SlurmCluster> {
    const directory = mkdtempSync(path.join(tmpdir(), 'walla-slurm-'));
    let cluster: Cluster | undefined;
    try {
      cluster = await Cluster.start(options);
      const slurm = new SlurmCluster(cluster, directory);
      await slurm.#startDaemons();
      return slurm;
    } catch (error) {
      await cluster?.stop();
      rmSync(directory, { recursive: true });
      throw error;
    }
  }

  async #startDaemons(): Promise<void> {
    const { cluster, directory } = this;
    const file = (name: string): string => path.join(directory, name);
    const names = cluster.nodes.map((node) => node.name);
    writeFileSync(file('slurm.conf'), slurmConf(directory, names));
    writeFileSync(file('mpi.conf'), MPI_CONF);
    writeFileSync(file('munge.key'), randomBytes(1024), { mode: 0o600 });
    // --force: the directory lies below /tmp, and the daemon runs as root.
    // prettier-ignore
    cluster.spawn(['munged', '--foreground', '--force', '--num-threads=2',
      ...['socket', 'key-file', 'pid-file', 'log-file', 'seed-file'].map(
        (name) => `--${name}=${file(name === 'key-file' ? 'munge.key' : `munge.${name}`)}`)]);
    await this.#until('munged', () => readdirSync(directory).includes('munge.socket'));
    cluster.spawn(['slurmctld', '-D', '-i'], { env: this.#env });
    for (const node of cluster.nodes)
      node.spawn(['slurmd', '-D', '-N', node.name], { env: this.#env });
    const idle = `idle ${names.length}`;
    const listNodes = ['sinfo', '--noheader', '--format=%t %D'];
    await this.#until('slurmctld', async () => (await this.run(listNodes)).stdout.trim() === idle);
  }

  async #until(what: string, done: () => boolean | Promise<boolean>): Promise<void> {
    const end = Date.now() + START_MS;
    while (!(await done())) {
      if (Date.now() > end) throw new Error(`${what} did not start: ${this.#logs()}`);
      await sleep(50);
    }
  }

  #logs(): string {
    const logs = readdirSync(this.directory).filter((name) => name.endsWith('.log'));
    return logs
      .map((name) => `\n${name}:\n${readFileSync(path.join(this.directory, name), 'utf8')}`)
      .join('');
  }

  get #env(): Record<string, string> {
    return { SLURM_CONF: path.join(this.directory, 'slurm.conf') };
  }

  /** Runs a command on the login node. */
  run(command: string[], options: RunOptions = {}): Promise<RunResult> {
    return this.cluster.run(command, { ...options, env: { ...this.#env, ...options.env } });
  }

  /**
   * Submits a job script and waits for the end of the job.
   * @param words options of sbatch, the script and its arguments
   */
  async sbatch(words: string[], options: RunOptions = {}): Promise<BatchResult> {
    const outputs = mkdtempSync(path.join(this.directory, 'job-'));
    const submit = ['sbatch', '--parsable', `--output=${outputs}/%j`, ...words];
    const { stdout, stderr } = await this.run(submit, options);
    const states = await this.#ended(stdout.trim());
    const output = readdirSync(outputs)
      .map((name) => readFileSync(path.join(outputs, name), 'utf8'))
      .join('');
    return { state: states.join(), output: output + stderr };
  }

  /** Not by `sbatch --wait`, which looks every half minute. @returns the different states of a job's elements */
  async #ended(job: string): Promise<string[]> {
    for (const end = Date.now() + JOB_MS; Date.now() < end; await sleep(200)) {
      const { stdout } = await this.run(['scontrol', '--oneliner', 'show', 'job', job]);
      const states = [...stdout.matchAll(/\bJobState=(\w+)/g)].map(([, state]) => state ?? '');
      const atWork = /PENDING|CONFIGURING|RUNNING|COMPLETING/;
      if (!states.some((state) => atWork.test(state))) return [...new Set(states)];
    }
    return ['not ended'];
  }

  /** Names that walla has left in /dev/shm of the nodes; empty after every job. */
  async leftBehind(): Promise<string> {
    const find = ['find', '/dev/shm', '-name', 'walla*'];
    const found = await Promise.all(this.cluster.nodes.map((node) => node.run(find)));
    return found.map(({ stdout }) => stdout).join('');
  }

  async stop(): Promise<void> {
    await this.cluster.stop();
    rmSync(this.directory, { recursive: true });
  }
}

/** No control groups and no accounting. /run is each node's own. */
function slurmConf(directory: string, nodes: readonly string[]): string {
  return `
ClusterName=walla
SlurmctldHost=login
SlurmUser=root
AuthType=auth/munge
AuthInfo=socket=${directory}/munge.socket
CredType=cred/munge
StateSaveLocation=/run
SlurmdSpoolDir=/run
SlurmctldPidFile=/run/slurmctld.pid
SlurmdPidFile=/run/slurmd.pid
SlurmctldLogFile=${directory}/slurmctld.log
SlurmdLogFile=${directory}/slurmd-%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
MpiDefault=none
MailProg=/bin/true
ReturnToService=2
SchedulerParameters=batch_sched_delay=0,sched_interval=1,sched_min_interval=0
SlurmdParameters=config_overrides
${nodes.map((name) => `NodeName=${name} CPUs=${CPUS_PER_NODE}`).join('\n')}
PartitionName=main Nodes=ALL Default=YES
`;
}

/**
 * By default files of all nodes meet in /tmp, and the fence is a tree, where a rank can send before another has
 * left MPI_Init: Open MPI 4.1's TCP then crashes now and then.
 */
const MPI_CONF = 'PMIxCliTmpDirBase=/run\nPMIxCollFence=ring\n';
