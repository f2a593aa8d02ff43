/**
 * npm run bench [-- --full --nodes 1,4,8 --ranks 1,4 --rounds 3 --contenders plain,"walla packed"
 *   --us-per-request 100 --mib-per-second 1000 --cache-seconds 3 --node 24 --program catalogue --json FILE]
 *
 * How long a job takes from mpirun to the first line of its last rank, where all nodes share one slow file system, and
 * what that file system is asked. Contenders are in bench/contenders, each with what it isolates. In every round each
 * of them runs once, from cold caches, in an order that turns from round to round. docs/benchmarks.md explains the
 * results; `npm run bench:plot` draws them.
 *
 * Results are written after every round, so that a run that is interrupted keeps what it has.
 *
 * Without options: few layouts and contenders, 3 rounds. --full: all contenders at 1, 2, 4 and 8 nodes with 1, 2 and
 * 4 ranks each, in 5 rounds. More ranks than 32 say little on this machine: they share its processors.
 */
import { execFileSync, spawn } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync } from 'node:fs';
import { cpus, loadavg, tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { parseArgs } from 'node:util';
import { Cluster } from '../test/cluster/cluster.ts';
import { nodeVersions } from '../test/node-versions/index.ts';
import { packageRoot } from '../test/run-node.ts';
import type { Contender, Job, Site } from './contenders/contender.ts';
import { contenders as all, quick } from './contenders/index.ts';
import { measure } from './measure.ts';
import { type Layout, type Results, writeResults } from './results.ts';
import { printBars, printFailures, printTable } from './shared-fs-table.ts';
import { SharedFs, type SharedFsOptions } from './sharedfs/shared-fs.ts';

const SHM_SIZE = '1g';
const TIMEOUT_MS = 600_000;
/** A contender is left out of what follows when it has failed so often, one time after the other. */
const MOST_FAILURES = 2;

const { values: options } = parseArgs({
  options: {
    full: { type: 'boolean', default: false },
    nodes: { type: 'string' },
    ranks: { type: 'string' },
    rounds: { type: 'string' },
    contenders: { type: 'string' },
    'us-per-request': { type: 'string', default: '100' },
    'mib-per-second': { type: 'string', default: '1000' },
    'cache-seconds': { type: 'string', default: '3' },
    node: { type: 'string', default: '24' },
    program: { type: 'string', default: 'catalogue' },
    json: { type: 'string' },
  },
});

const QUICK_LAYOUTS: Layout[] = [
  { nodes: 1, ranks: 1 },
  { nodes: 8, ranks: 1 },
  { nodes: 4, ranks: 4 },
];
const numbers = (text: string): number[] => text.split(',').map(Number);
const layouts =
  options.full || options.nodes !== undefined || options.ranks !== undefined
    ? numbers(options.nodes ?? '1,2,4,8').flatMap((nodes) =>
        numbers(options.ranks ?? '1,2,4').map((ranks) => ({ nodes, ranks })),
      )
    : QUICK_LAYOUTS;
const rounds = Number(options.rounds ?? (options.full ? 5 : 3));
const wanted =
  options.contenders?.split(',') ?? (options.full ? all : quick).map(({ name }) => name);
const unknown = wanted.filter((name) => !all.some((contender) => contender.name === name));
const node = nodeVersions.find(({ major }) => major === Number(options.node));
const server: SharedFsOptions = {
  metadataUs: Number(options['us-per-request']),
  readUs: Number(options['us-per-request']),
  mibPerSecond: Number(options['mib-per-second']),
  cacheSeconds: Number(options['cache-seconds']),
};
const reason =
  Cluster.unavailableReason({ mpi: 'openmpi', programs: ['mpicxx.openmpi'] }) ??
  SharedFs.unavailableReason() ??
  (node ? undefined : `Node.js ${options.node} is not here.`) ??
  (unknown.length > 0 ? `No contender is called ${unknown.join(', ')}.` : undefined);
if (reason !== undefined || !node) {
  console.error(reason);
  process.exit(1);
}

/** How often a contender has failed since it last did not, by name. */
const failuresInTurn = new Map<string, number>();
const scratch = mkdtempSync(join(tmpdir(), 'walla-bench-'));
// The cluster ends with this process, however it ends.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1));
const file = options.json ?? defaultResultFile();
// By a process of its own: the cluster's ranks go with this one, and would take its time for as long as it removed files.
process.once('exit', () => {
  spawn('rm', ['-rf', scratch], { detached: true, stdio: 'ignore' }).unref();
});
const site = makeSite(await startCluster());
try {
  const results: Results = {
    when: new Date().toISOString(),
    machine: { cpu: cpus()[0]?.model ?? '', cores: cpus().length, load: loadavg() },
    node: node.major,
    program: options.program,
    server,
    rounds,
    contenders: {},
    left: {},
    failures: [],
    rows: [],
  };
  await runAll(site, await prepare(site, results), results);
  for (const layout of layouts) printTable(results, layout);
  printBars(results);
  printFailures(results);
  console.log(`raw results: ${file}`);
} finally {
  await site.cluster.stop();
}

function startCluster(): Promise<Cluster> {
  return Cluster.start({ nodes: Math.max(...layouts.map(({ nodes }) => nodes)), shm: SHM_SIZE });
}

/** The application as it is after npm install, walla included, in a directory of its own. */
function makeSite(cluster: Cluster): Site {
  if (!node) throw new Error('no Node.js');
  const shared = join(scratch, 'shared');
  const local = join(scratch, 'local');
  const application = join(shared, 'application');
  const source = join(packageRoot, 'examples', options.program);
  const installed = join(application, 'node_modules/walla');
  const isLink = (path: string) => path !== join(source, 'node_modules/walla');
  cpSync(source, application, { recursive: true, verbatimSymlinks: true, filter: isLink });
  for (const part of ['package.json', 'dist', ...dependencies()])
    cpSync(join(packageRoot, part), join(installed, part), { recursive: true });
  mkdirSync(join(application, '.cache'), { recursive: true });
  mkdirSync(local);
  return { cluster, node, shared, application, local, entry: join(application, 'app.mjs') };
}

/** Directories of the packages that come with walla. */
function dependencies(): string[] {
  const words = ['ls', '--omit=dev', '--all', '--parseable'];
  const listed = execFileSync('npm', words, { cwd: packageRoot, encoding: 'utf8' });
  const paths = listed.trim().split('\n').slice(1);
  return paths.map((path) => relative(packageRoot, path));
}

async function prepare(site: Site, results: Results): Promise<[Contender, Job][]> {
  const jobs: [Contender, Job][] = [];
  for (const contender of all) {
    if (!wanted.includes(contender.name)) continue;
    const startMs = performance.now();
    const job = await contender.prepare(site).catch(messageOf);
    if (typeof job === 'string') {
      results.left[contender.name] = job;
      console.log(`not measured: ${contender.name}: ${job}`);
    } else {
      results.contenders[contender.name] = contender.isolates;
      jobs.push([contender, job]);
      console.log(`prepared: ${contender.name} (${secondsSince(startMs)} s)`);
    }
  }
  return jobs;
}

async function runAll(site: Site, jobs: [Contender, Job][], results: Results): Promise<void> {
  for (const layout of layouts) {
    for (let round = 0; round < rounds; round++) {
      for (let turn = 0; turn < jobs.length; turn++) {
        const [contender, job] = jobs[(turn + round) % jobs.length] ?? [];
        if (contender && job) await runOne(site, contender, job, layout, round, results);
      }
      writeResults(file, results);
    }
  }
}

/** A job that fails is said and tried again in the next round. What it left on the nodes goes with them. */
async function runOne(
  site: Site,
  contender: Contender,
  job: Job,
  layout: Layout,
  round: number,
  results: Results,
): Promise<void> {
  const { name } = contender;
  if (name in results.left) return;
  const where = `${layout.nodes} nodes x ${layout.ranks} ranks, round ${round + 1}`;
  const startMs = performance.now();
  try {
    const measured = await measure(contender, job, site, layout, server, TIMEOUT_MS);
    results.rows.push({ ...layout, contender: name, round, ...measured });
    failuresInTurn.delete(name);
    console.log(`${where}: ${name}: ${measured.seconds.toFixed(2)} s of ${secondsSince(startMs)}`);
  } catch (error) {
    const why = messageOf(error);
    results.failures.push({ ...layout, contender: name, round, why });
    const failed = (failuresInTurn.get(name) ?? 0) + 1;
    failuresInTurn.set(name, failed);
    if (failed >= MOST_FAILURES) results.left[name] = why;
    console.log(`${where}: ${name} failed after ${secondsSince(startMs)} s: ${why}`);
    await site.cluster.stop();
    site.cluster = await startCluster();
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function secondsSince(startMs: number): string {
  return ((performance.now() - startMs) / 1000).toFixed(1);
}

function defaultResultFile(): string {
  return join(packageRoot, 'bench/runs', new Date().toISOString().slice(0, 10), 'shared-fs.json');
}
