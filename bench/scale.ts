/**
 * npm run bench:scale [-- --nodes 64,512,4096 --mib 16,128 --topologies fat-tree --algorithms walla,chain
 *                        --most-messages 1000000 --timeout 600 --keep FILE]
 *
 * Simulates the broadcast of an image to up to 65,536 nodes with SimGrid (docs/scaling.md says how):
 *
 *   walla                        the distribution core of native/src/mpi, as it is
 *   chunks:binomial_tree         one MPI_Bcast after the other, of 4 MiB each, down a binomial tree
 *   bcast:flattree               root sends everything to everybody
 *   bcast:binomial_tree          one MPI_Bcast of everything
 *   bcast:scatter_rdb_allgather  each node gets a part, and all exchange theirs
 *   chain                        each node passes chunks on to the next
 *   file-system                  each node reads everything from the file servers
 *
 * Every message costs this machine the same, so large machines get larger chunks: not more than
 * --most-messages in one simulation. A case that takes longer than --timeout is left out, and said.
 * Results are added to bench/runs/<date>/scale.json one by one; cases that are there are not simulated
 * again. `node --import tsx bench/scale-plot.ts` draws them.
 */
import { mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { dirname, join } from 'node:path';
import { parseArgs } from 'node:util';
import { packageRoot } from '../test/run-node.ts';
import { buildSimulation, whyNotSimulated } from './simulated/build.ts';
import { type Case, simulate, type Simulated } from './simulated/case.ts';

export interface ScaleResults {
  machine: { cpu: string | undefined };
  rows: Simulated[];
  /** What was not simulated, and why. */
  left: (Case & { why: string })[];
}

const MIB = 2 ** 20;
const CHUNK_BYTES = 4 * MIB;

const { values: options } = parseArgs({
  options: {
    nodes: { type: 'string', default: '64,512,4096,16384,65536' },
    mib: { type: 'string', default: '16,128,1024' },
    topologies: { type: 'string', default: 'fat-tree,dragonfly' },
    algorithms: {
      type: 'string',
      default:
        'walla,chunks:binomial_tree,bcast:flattree,bcast:binomial_tree,bcast:scatter_rdb_allgather,chain,file-system',
    },
    'most-messages': { type: 'string', default: '2200000' },
    timeout: { type: 'string', default: '1200' },
    keep: { type: 'string' },
  },
});
const reason = whyNotSimulated();
if (reason !== undefined) {
  console.error(reason);
  process.exit(1);
}

const list = (text: string): string[] => text.split(',').filter(Boolean);
const today = new Date().toISOString().slice(0, 10);
const file = options.keep ?? join(packageRoot, 'bench/runs', today, 'scale.json');
const program = buildSimulation();
const timeoutSeconds = Number(options.timeout);
const results: ScaleResults = statSync(file, { throwIfNoEntry: false })
  ? (JSON.parse(readFileSync(file, 'utf8')) as ScaleResults)
  : { machine: { cpu: cpus()[0]?.model }, rows: [], left: [] };

for (const nodes of list(options.nodes).map(Number)) {
  for (const mib of list(options.mib).map(Number)) {
    for (const topology of list(options.topologies)) {
      for (const algorithm of list(options.algorithms)) {
        for (const chunkBytes of chunksOf(algorithm, nodes, mib * MIB)) {
          one({ topology, nodes, bytes: mib * MIB, algorithm, chunkBytes });
        }
      }
    }
  }
}

/** walla: its own choice, and one that a simulation of the largest machine can have too. */
function chunksOf(algorithm: string, nodes: number, bytes: number): number[] {
  const few = Math.max(CHUNK_BYTES, leastChunk(nodes, bytes));
  if (algorithm === 'chain' || algorithm.startsWith('chunks:')) return [few];
  if (algorithm !== 'walla') return [0];
  const largest = Math.max(few, leastChunk(65536, bytes));
  const own = nodes * (bytes / (128 * 1024)) <= 4 * Number(options['most-messages']) ? [0] : [];
  return [...new Set([...own, few, largest])];
}

function leastChunk(nodes: number, bytes: number): number {
  let chunk = 128 * 1024;
  while ((nodes * bytes) / chunk > Number(options['most-messages'])) chunk *= 2;
  return chunk;
}

function isSame(a: Case, b: Case): boolean {
  const keyOf = ({ topology, nodes, bytes, algorithm }: Case): string =>
    [topology, nodes, bytes, algorithm].join(' ');
  // A choice of walla's is in the results by its size.
  return keyOf(a) === keyOf(b) && a.chunkBytes === b.chunkBytes;
}

function one(what: Case): void {
  if (what.chunkBytes > 0 && results.rows.some((row) => isSame(row, what))) return;
  const row = simulate(program, what, { timeoutSeconds });
  const name = `${what.topology} ${what.nodes} nodes ${what.bytes / MIB} MiB ${what.algorithm}`;
  results.left = results.left.filter((other) => !isSame(other, what));
  if (row === undefined) {
    const why = `took more than ${timeoutSeconds} s of this machine's time`;
    results.left.push({ ...what, why });
    console.log(`${name}: ${why}`);
  } else {
    results.rows = [...results.rows.filter((other) => !isSame(other, row)), row];
    const digest =
      row.secondsWithDigest === undefined
        ? ''
        : `, with digest ${(row.secondsWithDigest * 1e3).toFixed(1)} ms` +
          `, by four threads ${((row.secondsWithDigestByFour ?? NaN) * 1e3).toFixed(1)} ms`;
    const chunk = row.chunkBytes > 0 ? ` in chunks of ${row.chunkBytes / 1024} KiB` : '';
    console.log(`${name}${chunk}: ${(row.seconds * 1e3).toFixed(1)} ms simulated${digest}`);
  }
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, JSON.stringify(results, undefined, 1) + '\n');
}
