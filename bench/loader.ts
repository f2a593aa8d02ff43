/**
 * npm run bench:loader [-- --runs 9 --node 24 --floor --json FILE]
 *
 * Start-up time and memory of the catalogue example, everything warm on the local disk and the image
 * already on this node. All rows of one Node.js version take turns in every round, so that a change in the
 * machine's speed meets all of them.
 *
 *   plain           node app.mjs: Node.js's own resolution and reads
 *   bundle          one file made by esbuild, packages with native addons left outside: no resolution left to do
 *   staged          node -r walla/stage app.mjs: all of walla, the check of the source tree included
 *   none            the same with an archive made by walla pack --no-code-cache (Node.js 22 and later), and
 *   code cache      by walla pack --code-cache, from a run of the program
 *   staged, import  the documented form, --import walla/stage
 *   attached        a child process of a staged one: hooks alone, no check
 *   floor           with --floor (Node.js 22 and later): how far hooks could go, see floor/run.cjs
 *   empty           an empty program, and
 *   empty, staged   the same under walla: what the hooks cost before the first line
 */
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { build } from 'esbuild';
import { nodeVersions } from '../test/node-versions/index.ts';
import { cleanEnvironment, cli, packageRoot, preload } from '../test/run-node.ts';
import { median } from './statistics.ts';

interface Sample {
  wallMs: number;
  peakMiB: number;
}

interface Row {
  name: string;
  args: string[];
  env: NodeJS.ProcessEnv;
}

const { values: options } = parseArgs({
  options: {
    runs: { type: 'string', default: '9' },
    node: { type: 'string', multiple: true },
    floor: { type: 'boolean', default: false },
    json: { type: 'string' },
  },
});
const runs = Number(options.runs);
const absent = (options.node ?? []).filter(
  (wanted) => !nodeVersions.some(({ major }) => String(major) === wanted),
);
if (absent.length > 0) {
  const here = nodeVersions.map(({ major }) => major).join(', ');
  console.error(`Node.js ${absent.join(', ')} is not here; ${here} are: npm run setup gets them.`);
  process.exit(1);
}

const application = join(packageRoot, 'examples/catalogue');
const app = join(application, 'app.mjs');
const scratch = mkdtempSync(join(tmpdir(), 'walla-bench-'));
const bundle = join(application, '.cache', 'bundle.mjs');
const empty = join(application, '.cache', 'empty.cjs');

/** Written by the process itself as it ends; the same few lines run in every row. */
const PROBE = join(scratch, 'probe.cjs');
const FLOOR_GRAPH = join(scratch, 'graph.json');

try {
  await prepare();
  const results: Record<string, Record<string, Sample[]>> = {};
  for (const { major, path } of nodeVersions) {
    if (options.node && !options.node.includes(String(major))) continue;
    results[`Node.js ${major}`] = report(major, measure(path, major));
  }
  const file = options.json ?? defaultResultFile();
  writeFileSync(
    file,
    JSON.stringify(
      { when: new Date().toISOString(), cpu: cpus()[0]?.model, runs, results },
      null,
      1,
    ),
  );
  console.log(`raw results: ${file}`);
} finally {
  rmSync(scratch, { recursive: true, force: true });
  rmSync(bundle, { force: true });
  rmSync(empty, { force: true });
}

function defaultResultFile(): string {
  const directory = join(packageRoot, 'bench/runs', new Date().toISOString().slice(0, 10));
  mkdirSync(directory, { recursive: true });
  return join(directory, 'loader.json');
}

async function prepare(): Promise<void> {
  mkdirSync(join(application, '.cache'), { recursive: true });
  writeFileSync(empty, '');
  writeFileSync(
    PROBE,
    `process.on('exit', () => require('fs').writeSync(3, process.resourceUsage().maxRSS + ' ' + (process.floorGraphMs ?? 0)));\n`,
  );
  await build({
    entryPoints: [app],
    outfile: bundle,
    bundle: true,
    platform: 'node',
    target: 'node20',
    format: 'esm',
    external: ['sharp', '@napi-rs/canvas'],
    banner: {
      js: `import { createRequire as __make } from 'node:module'; const require = __make(import.meta.url);`,
    },
    logLevel: 'error',
  });
}

function packed(node: string, name: string, ...flags: string[]): string {
  const archive = join(scratch, name);
  const words = [cli, 'pack', '--quiet', ...flags, '-o', archive, app, empty];
  const { status, stderr } = spawnSync(node, words, { encoding: 'utf8' });
  if (status !== 0) throw new Error(`packing failed: ${stderr}`);
  return archive;
}

function measure(node: string, major: number): Map<string, Sample[]> {
  const archive = packed(node, `catalogue-${major}.walla`);
  // The first job leaves the image on the node; the rows find it there.
  const keep = { WALLA_ARCHIVE: archive, WALLA_DIR: stagingBase(), WALLA_KEEP: '1' };
  const attach = spawnSync(node, ['-r', preload, '-p', 'process.env.WALLA_ATTACH'], {
    env: { ...cleanEnvironment(), ...keep },
    encoding: 'utf8',
  }).stdout.trim();
  const rows: Row[] = [
    { name: 'plain', args: [app], env: {} },
    { name: 'bundle', args: [bundle], env: {} },
    { name: 'staged', args: ['-r', preload, app], env: keep },
    ...(major >= 22 ? otherArchives(node, keep) : []),
    { name: 'staged, import', args: ['--import', preload, app], env: keep },
    { name: 'attached', args: ['-r', preload, app], env: { WALLA_ATTACH: attach } },
    { name: 'empty', args: [empty], env: {} },
    { name: 'empty, staged', args: ['-r', preload, empty], env: keep },
  ];
  const samples = new Map(rows.map(({ name }) => [name, [] as Sample[]]));
  try {
    for (let round = -1; round < runs; round++) {
      for (const row of rows) {
        const sample = once(node, row);
        if (round >= 0) samples.get(row.name)?.push(sample); // the round before the first warms up
      }
    }
  } finally {
    rmSync(join(stagingBase(), `walla-${process.geteuid?.() ?? 0}`), {
      recursive: true,
      force: true,
    });
  }
  return samples;
}

function otherArchives(node: string, keep: NodeJS.ProcessEnv): Row[] {
  const args = ['-r', preload, app];
  const packedWith = (flag: string): NodeJS.ProcessEnv => {
    return { ...keep, WALLA_ARCHIVE: packed(node, `${flag.slice(2)}.walla`, flag) };
  };
  const none = packedWith('--no-code-cache');
  return [
    { name: 'none', args, env: none },
    { name: 'code cache', args, env: packedWith('--code-cache') },
    ...(options.floor ? [floorRow(node, none)] : []),
  ];
}

function floorRow(node: string, env: NodeJS.ProcessEnv): Row {
  const floor = join(packageRoot, 'bench/floor');
  const recorded = spawnSync(node, ['-r', join(floor, 'record.cjs'), app], {
    env: { ...cleanEnvironment(), FLOOR_GRAPH },
    encoding: 'utf8',
  });
  if (recorded.status !== 0) throw new Error(`recording failed: ${recorded.stderr}`);
  const flags = ['--expose-internals', '--no-warnings'];
  return {
    name: 'floor',
    args: [...flags, '-r', preload, '-r', join(floor, 'run.cjs'), app],
    env: { ...env, FLOOR_GRAPH },
  };
}

/** In memory, and apart from whatever else of walla is on this machine. */
function stagingBase(): string {
  const base = join('/dev/shm', `bench-${process.pid}`);
  mkdirSync(base, { recursive: true });
  process.once('exit', () => rmSync(base, { recursive: true, force: true }));
  return base;
}

function once(node: string, { name, args, env }: Row): Sample {
  const start = performance.now();
  const { status, output, stderr } = spawnSync(
    node,
    [...args.slice(0, -1), '-r', PROBE, ...args.slice(-1)],
    {
      env: { ...cleanEnvironment(), ...env },
      stdio: ['ignore', 'pipe', 'pipe', 'pipe'],
      encoding: 'utf8',
    },
  );
  const wallMs = performance.now() - start;
  if (status !== 0) throw new Error(`${name} failed: ${stderr}`);
  const [peakKiB, graphMs] = String(output[3]).split(' ').map(Number);
  return { wallMs: wallMs - (graphMs ?? NaN), peakMiB: (peakKiB ?? NaN) / 1024 };
}

function report(major: number, samples: Map<string, Sample[]>): Record<string, Sample[]> {
  console.log(
    `\nNode.js ${major}, ${runs} rounds          min   median      max  ms      peak MiB`,
  );
  for (const [name, found] of samples) {
    const wall = found.map((sample) => sample.wallMs);
    const cells = [Math.min(...wall), median(wall), Math.max(...wall)].map((ms) =>
      ms.toFixed(0).padStart(8),
    );
    console.log(
      `  ${name.padEnd(16)} ${cells.join(' ')}  ${median(found.map((s) => s.peakMiB))
        .toFixed(0)
        .padStart(12)}`,
    );
  }
  ratio(samples, 'staged', 'plain');
  ratio(samples, 'staged, import', 'plain');
  ratio(samples, 'attached', 'plain');
  ratio(samples, 'staged', 'bundle');
  ratio(samples, 'code cache', 'bundle');
  ratio(samples, 'none', 'bundle');
  ratio(samples, 'none', 'plain');
  ratio(samples, 'floor', 'plain');
  ratio(samples, 'floor', 'bundle');
  const over = pairs(samples, 'empty, staged', 'empty').map(([a, b]) => a.wallMs - b.wallMs);
  console.log(`  hooks ready, over an empty program: median ${median(over).toFixed(1)} ms`);
  return Object.fromEntries(samples);
}

/** Ratios round by round, which hold when the machine's speed drifts. */
function ratio(samples: Map<string, Sample[]>, a: string, b: string): void {
  const found = pairs(samples, a, b);
  if (found.length === 0) return;
  const wall = found.map(([x, y]) => x.wallMs / y.wallMs);
  const memory = found.map(([x, y]) => x.peakMiB / y.peakMiB);
  console.log(
    `  ${a} / ${b}: time ${median(wall).toFixed(2)} (${Math.min(...wall).toFixed(2)} to ${Math.max(...wall).toFixed(2)}), memory ${median(memory).toFixed(2)}`,
  );
}

function pairs(samples: Map<string, Sample[]>, a: string, b: string): [Sample, Sample][] {
  const others = samples.get(b) ?? [];
  return (samples.get(a) ?? []).flatMap((sample, index) => {
    const other = others[index];
    return other ? [[sample, other] as [Sample, Sample]] : [];
  });
}
