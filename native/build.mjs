/**
 * Builds the native core with nothing but a C++ compiler: no node-gyp, no Python, no make.
 *
 *     node native/build.mjs [--quiet]               dist/native/<platform>-<arch>/*.node, libcollfs-*.so, collfs-*
 *     node native/build.mjs --test | --sanitize     builds and runs the C++ unit tests instead
 *     node native/build.mjs --program FILE.cpp ...  builds one test program under sanitizers and runs it
 *
 * CXX names the compiler; WALLA_MPICC_OPENMPI, WALLA_MPICC_MPICH and WALLA_MPICC name MPI compilers.
 * Objects are kept in .cache/native under a hash of all that goes into them.
 */
import { execFile, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  accessSync,
  constants,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { delimiter, dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs, promisify } from 'node:util';

const native = dirname(fileURLToPath(import.meta.url));
const root = dirname(native);
const cache = join(root, '.cache', 'native');
const output = join(root, 'dist', 'native', `${process.platform}-${process.arch}`);
const JOBS = 2;
const KEPT_MS = 14 * 24 * 3600 * 1000;

const BASE = ['-std=c++17', '-Wall', '-Wextra', '-Werror', '-pthread'];
const COMPILE = [...BASE, '-O2', '-fPIC', '-fvisibility=hidden'];
// nodelete: a worker that ends unloads its addons, but the mapped image and its strings stay.
const LINK = ['-shared', '-s', '-pthread', '-Wl,-z,nodelete', '-ldl'];
const TEST = [...BASE, '-O1', '-g'];
const SANITIZE = ['-fsanitize=address,undefined', '-fno-sanitize-recover=all'];
/** The C++ bindings of MPI are gone from the standard, and warn where they are left. */
const MPI_DEFINES = ['-DOMPI_SKIP_MPICXX', '-DMPICH_SKIP_MPICXX'];
// Each MPI has an ABI of its own, and says in its header which one it is.
const MPI_PROBE = `#include <mpi.h>
#if defined(OPEN_MPI)
walla_abi_openmpi
#elif defined(MPICH_VERSION) || defined(I_MPI_VERSION) || defined(MVAPICH2_VERSION)
walla_abi_mpich
#endif
`;
const MPI_NAMES = { openmpi: 'Open MPI', mpich: 'MPICH' };

const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    program: { type: 'string' },
    quiet: { type: 'boolean', default: false },
    test: { type: 'boolean', default: false },
    sanitize: { type: 'boolean', default: false },
  },
});

class BuildError extends Error {}

function say(line) {
  if (!options.quiet) console.log(line);
}

const execFileAsync = promisify(execFile);

/** Runs a tool. @returns its standard output */
async function run(tool, args) {
  try {
    const result = await execFileAsync(tool.path, [...tool.args, ...args], {
      maxBuffer: 64 << 20,
    });
    return result.stdout;
  } catch (error) {
    throw new BuildError(`${error.stdout ?? ''}${error.stderr || error.message}`.trimEnd());
  }
}

/** A program with its arguments ('ccache g++'), or undefined where it is not installed. */
function toolNamed(commandLine) {
  const [command, ...args] = commandLine.trim().split(/\s+/);
  const directories = command.includes('/') ? [''] : (process.env.PATH ?? '').split(delimiter);
  for (const directory of directories) {
    const path = resolve(directory, command);
    try {
      accessSync(path, constants.X_OK);
    } catch {
      continue;
    }
    // Tells one version of the compiler from the next without starting it.
    const { mtimeMs, size } = statSync(path);
    return { name: commandLine, path, args, stamp: [path, mtimeMs, size, ...args].join(' ') };
  }
  return undefined;
}

function findCompiler() {
  const names = process.env.CXX ? [process.env.CXX] : ['g++', 'clang++', 'c++'];
  for (const name of names) {
    const tool = toolNamed(name);
    if (tool) return tool;
  }
  throw new BuildError(`no C++ compiler: looked for ${names.join(', ')}; install one or set CXX`);
}

/** Flags for the one folder that includes napi.h. */
function nodeApiFlags() {
  const require = createRequire(import.meta.url);
  const packages = ['node-api-headers', 'node-addon-api'].map((name) => {
    const manifest = require.resolve(`${name}/package.json`);
    return { directory: dirname(manifest), version: require(manifest).version };
  });
  return [
    '-DNAPI_VERSION=8',
    '-DNAPI_CPP_EXCEPTIONS',
    '-isystem',
    join(packages[0].directory, 'include'),
    '-isystem',
    packages[1].directory,
    // The headers are not hashed; their versions are.
    `-DWALLA_HEADERS="${packages.map(({ version }) => version).join('+')}"`,
  ];
}

const contents = new Map();
function read(path) {
  if (!contents.has(path)) contents.set(path, readFileSync(path, 'utf8'));
  return contents.get(path);
}

/** The file and what it includes with quotes, directly or not. */
function closureOf(path, seen = new Set()) {
  if (seen.has(path)) return seen;
  seen.add(path);
  for (const [, name] of read(path).matchAll(/^\s*#\s*include\s+"([^"]+)"/gm)) {
    const file = resolve(dirname(path), name);
    if (existsSync(file)) closureOf(file, seen);
  }
  return seen;
}

/**
 * The given sources and those they need: to each header included belongs the .cpp of the same name.
 * So every artefact has what it needs of native/src, and no list has to be kept.
 */
function withNeeded(starts) {
  const sources = new Set();
  const queue = [...starts];
  for (let source = queue.pop(); source !== undefined; source = queue.pop()) {
    if (sources.has(source)) continue;
    sources.add(source);
    for (const file of closureOf(source)) {
      const own = file.replace(/\.h$/, '.cpp');
      if (own !== file && existsSync(own)) queue.push(own);
    }
  }
  return [...sources].sort();
}

function sourcesIn(directory, matching = /\.cpp$/) {
  if (!existsSync(directory)) return [];
  return readdirSync(directory)
    .filter((name) => name.endsWith('.cpp') && matching.test(name))
    .map((name) => join(directory, name));
}

function keyOf(...parts) {
  const hash = createHash('sha256');
  for (const part of parts.flat()) hash.update(part).update('\0');
  return hash.digest('hex').slice(0, 40);
}

let made = 0;
let running = 0;
const waiting = [];

/** Runs at most JOBS tasks at a time. */
async function inTurn(task) {
  while (running >= JOBS) await new Promise((go) => waiting.push(go));
  running++;
  try {
    return await task();
  } finally {
    running--;
    waiting.shift()?.();
  }
}

const inProduction = new Map();

/**
 * Makes a cached file unless it is there, by way of a temporary one, so that a build that is killed
 * leaves nothing half-written under a good name.
 */
function produce(folder, key, make) {
  const path = join(cache, folder, key);
  if (!inProduction.has(path)) inProduction.set(path, produceOnce(path, make));
  return inProduction.get(path);
}

async function produceOnce(path, make) {
  try {
    const now = new Date();
    utimesSync(path, now, now);
    return path;
  } catch {
    // Not there yet.
  }
  mkdirSync(dirname(path), { recursive: true });
  const aside = `${path}.${process.pid}`;
  try {
    await inTurn(() => make(aside));
    renameSync(aside, path);
    made++;
  } finally {
    rmSync(aside, { force: true });
  }
  return path;
}

/** @returns path of the object */
function compile({ tool, source, flags }) {
  const inputs = [...closureOf(source)].sort();
  const key = keyOf(
    tool.stamp,
    flags,
    inputs.flatMap((file) => [relative(root, file), read(file)]),
  );
  return produce('objects', `${key}.o`, (aside) =>
    run(tool, [...flags, '-c', source, '-o', aside]),
  );
}

/** Compiles the units and links them. @returns path of the result in the cache */
async function link(tool, units, flags) {
  // allSettled: while another compiler runs, this process must not end and leave its files behind.
  const results = await Promise.allSettled(units.map(compile));
  const failed = results.find(({ status }) => status === 'rejected');
  if (failed) throw failed.reason;
  const objects = results.map(({ value }) => value);
  return produce('linked', keyOf(tool.stamp, flags, objects), (aside) =>
    run(tool, [...objects, ...flags, '-o', aside]),
  );
}

/** Puts an artefact where it belongs, and says so. */
function deliver(linked, name) {
  const target = join(output, name);
  const content = readFileSync(linked);
  if (!existsSync(target) || !readFileSync(target).equals(content)) {
    mkdirSync(output, { recursive: true });
    // Renamed into place, because a process may have the old one mapped.
    const aside = `${target}.${process.pid}`;
    writeFileSync(aside, content, { mode: 0o755 });
    renameSync(aside, target);
  }
  say(`${relative(root, target)}  ${(content.length / 1024).toFixed(0)} KiB`);
}

/** A unit of the native core: plain for native/src, with Node-API for native/binding. */
function unitOf(tool, source, napi) {
  const binding = source.startsWith(join(native, 'binding'));
  return { tool, source, flags: binding ? [...COMPILE, ...napi] : COMPILE };
}

async function buildCore(tool, napi) {
  const sources = withNeeded(sourcesIn(join(native, 'binding'), /^walla_binding/));
  const units = sources.map((source) => unitOf(tool, source, napi));
  deliver(await link(tool, units, LINK), 'walla.node');
}

/** 'openmpi', 'mpich', or '' for a compiler that is neither. */
async function abiOf(tool) {
  const path = await produce('probes', keyOf(tool.stamp, MPI_PROBE), async (aside) => {
    const probe = `${aside}.cpp`;
    writeFileSync(probe, MPI_PROBE);
    try {
      const text = await run(tool, [...MPI_DEFINES, '-E', probe]);
      writeFileSync(aside, /walla_abi_(\w+)/.exec(text)?.[1] ?? '');
    } finally {
      rmSync(probe, { force: true });
    }
  });
  return readFileSync(path, 'utf8');
}

/** A compiler that the user named: it must be there, and be what it is said to be. */
async function namedCompiler(variable, abi) {
  const name = process.env[variable];
  if (!name) return undefined;
  const tool = toolNamed(name);
  if (!tool) throw new BuildError(`${variable}: no such program: ${name}`);
  const found = await abiOf(tool);
  if (!found || (abi && found !== abi)) {
    throw new BuildError(
      `${variable}: ${name} is no compiler of ${MPI_NAMES[abi] ?? 'an MPI known here'}`,
    );
  }
  return { tool, abi: found };
}

/** The compiler of one MPI, or the names looked for in vain. */
async function findMpiCompiler(abi, override) {
  if (override?.abi === abi) return { tool: override.tool };
  const named = await namedCompiler(`WALLA_MPICC_${abi.toUpperCase()}`, abi);
  if (named) return { tool: named.tool };
  const names = [`mpicxx.${abi}`, 'mpicxx', 'mpic++'];
  for (const name of names) {
    const tool = toolNamed(name);
    // One that is installed without its headers is none.
    if (tool && (await abiOf(tool).catch(() => '')) === abi) return { tool };
  }
  return { names };
}

async function buildMpi(abi, override, plain, napi) {
  const binding = join(native, 'binding', 'mpi_binding.cpp');
  const own = sourcesIn(join(native, 'src', 'mpi'));
  if (own.length === 0 || !existsSync(binding)) return;
  const artefact = `mpi-${abi}.node`;
  const { tool, names } = await findMpiCompiler(abi, override);
  if (!tool) {
    say(`${artefact}: skipped, no compiler of ${MPI_NAMES[abi]} (looked for ${names.join(', ')})`);
    return;
  }
  const sources = withNeeded([...own, binding]);
  const units = sources.map((source) => {
    // What includes mpi.h is built once for each MPI, the rest once for all artefacts.
    const mpi = own.includes(source) || source === binding;
    const unit = unitOf(mpi ? tool : plain, source, napi);
    return mpi ? { ...unit, flags: [...unit.flags, ...MPI_DEFINES] } : unit;
  });
  // -lstdc++: the compiler named may be mpicc.
  deliver(await link(tool, units, [...LINK, '-lstdc++']), artefact);
}

/** libcollfs for one MPI, with a pkg-config file that finds it and its header wherever the package lies. */
async function buildCollfs(abi, override, plain, napi) {
  const directory = join(native, 'src', 'collfs');
  const starts = sourcesIn(directory);
  const { tool, names } = await findMpiCompiler(abi, override);
  const artefact = `libcollfs-${abi}.so`;
  if (!tool) {
    say(`${artefact}: skipped, no compiler of ${MPI_NAMES[abi]} (looked for ${names.join(', ')})`);
    return;
  }
  const withMpi = new Set([directory, join(native, 'src', 'mpi')]);
  const units = withNeeded(starts).map((source) =>
    withMpi.has(dirname(source))
      ? { tool, source, flags: [...COMPILE, ...MPI_DEFINES] }
      : unitOf(plain, source, []),
  );
  const flags = [...LINK, `-Wl,-soname,${artefact}`, '-lstdc++'];
  deliver(await link(tool, units, flags), artefact);
  const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  const description = [
    'libdir=${pcfiledir}/..',
    `includedir=\${pcfiledir}/${relative(join(output, 'pkgconfig'), directory)}`,
    '',
    `Name: collfs-${abi}`,
    `Description: collective file operations over ${MPI_NAMES[abi]}`,
    `Version: ${version}`,
    'Cflags: -I${includedir}',
    `Libs: -L\${libdir} -Wl,-rpath,\${libdir} -lcollfs-${abi}`,
    '',
  ].join('\n');
  mkdirSync(join(output, 'pkgconfig'), { recursive: true });
  writeFileSync(join(output, 'pkgconfig', `collfs-${abi}.pc`), description);
  await Promise.all([buildCollfsStage(abi, tool, plain), buildCollfsAddon(abi, tool, plain, napi)]);
}

const shadow = join(native, 'src', 'collfs-shadow');

/** The program that fills the stages, which finds the libcollfs beside it. */
async function buildCollfsStage(abi, tool, plain) {
  const main = join(shadow, 'stage.cpp');
  const units = withNeeded([main]).map((source) =>
    source === main
      ? { tool, source, flags: [...COMPILE, ...MPI_DEFINES] }
      : unitOf(plain, source, []),
  );
  const libraries = [`-L${output}`, `-lcollfs-${abi}`, '-Wl,-rpath,$ORIGIN', '-lstdc++'];
  deliver(await link(tool, units, ['-s', '-pthread', ...libraries]), `collfs-stage-${abi}`);
}

/** The addon of `walla/collfs`, which finds the libcollfs beside it: one for whatever of the process uses it. */
async function buildCollfsAddon(abi, tool, plain, napi) {
  const main = join(native, 'binding', 'collfs_binding.cpp');
  const units = withNeeded([main]).map((source) =>
    source === main
      ? { tool, source, flags: [...COMPILE, ...napi, ...MPI_DEFINES] }
      : unitOf(plain, source, napi),
  );
  const libraries = [`-L${output}`, `-lcollfs-${abi}`, '-Wl,-rpath,$ORIGIN', '-lstdc++'];
  deliver(await link(tool, units, [...LINK, ...libraries]), `collfs-${abi}.node`);
}

/** What each process loads a copy of: with as little besides as can be, not even libstdc++. */
async function buildCollfsAudit(tool) {
  const units = withNeeded([join(shadow, 'audit.cpp')]).map((source) => ({
    tool,
    source,
    flags: [...COMPILE, '-fno-exceptions', '-fno-rtti'],
  }));
  // Its own libc is looked for before it can help, along the program's RPATH and LD_LIBRARY_PATH on the
  // shared file system, unless an RPATH says where to look first.
  const libc = (await run(tool, ['-print-file-name=libc.so.6'])).trim();
  const rpath = `-Wl,--disable-new-dtags,-rpath,${dirname(realpathSync(libc))}`;
  const flags = ['-shared', '-s', '-nodefaultlibs', '-Wl,-z,defs', rpath, '-lc', '-lgcc'];
  deliver(await link(tool, units, flags), 'libcollfs-audit.so');
  deliver(join(shadow, 'collfs-run.sh'), 'collfs-run');
}

/**
 * What LD_PRELOAD loads into every process, so with little besides, too. It knows MPI by what all of them
 * have in common, and loads the libcollfs for the one it meets.
 */
async function buildCollfsPreload(tool) {
  const units = withNeeded(sourcesIn(join(native, 'src', 'collfs-preload'))).map((source) => ({
    tool,
    source,
    // Call stacks are unwound through it.
    flags: [...COMPILE, '-fno-exceptions', '-fno-rtti', '-fasynchronous-unwind-tables'],
  }));
  const libraries = ['-ldl', '-lc', '-lgcc', '-lgcc_eh', '-lc'];
  const flags = ['-shared', '-s', '-nodefaultlibs', '-Wl,-z,defs', '-Wl,-z,nodelete'];
  deliver(await link(tool, units, [...flags, ...libraries]), 'libcollfs-preload.so');
}

/** Builds and runs the C++ unit tests. @returns exit code */
async function test(tool) {
  const flags = options.sanitize ? [...TEST, ...SANITIZE] : TEST;
  const sources = withNeeded(sourcesIn(join(root, 'test', 'native')));
  const units = sources.map((source) => ({ tool, source, flags }));
  const program = await link(tool, units, [...flags, '-ldl']);
  return spawnSync(program, { stdio: 'inherit' }).status ?? 1;
}

/** Builds and runs one program with the arguments that are left, under sanitizers. @returns exit code */
async function runProgram(tool, source) {
  const flags = [...TEST, ...SANITIZE];
  const units = withNeeded([resolve(source)]).map((unit) => ({ tool, source: unit, flags }));
  const program = await link(tool, units, [...flags, '-ldl']);
  return spawnSync(program, positionals, { stdio: 'inherit' }).status ?? 1;
}

/** Removes what no build has asked for in a long time. */
function prune() {
  for (const folder of ['objects', 'linked', 'probes']) {
    const directory = join(cache, folder);
    if (!existsSync(directory)) continue;
    for (const name of readdirSync(directory)) {
      const path = join(directory, name);
      const status = statSync(path, { throwIfNoEntry: false });
      if (status && Date.now() - status.mtimeMs > KEPT_MS) rmSync(path, { force: true });
    }
  }
}

async function main() {
  const tool = findCompiler();
  if (options.program) return runProgram(tool, options.program);
  if (options.test || options.sanitize) return test(tool);
  const napi = nodeApiFlags();
  const override = await namedCompiler('WALLA_MPICC');
  const builds = [buildCore(tool, napi), buildCollfsAudit(tool), buildCollfsPreload(tool)];
  for (const abi of Object.keys(MPI_NAMES)) {
    builds.push(buildMpi(abi, override, tool, napi), buildCollfs(abi, override, tool, napi));
  }
  const results = await Promise.allSettled(builds);
  const failures = results.filter(({ status }) => status === 'rejected');
  for (const { reason } of failures) report(reason);
  return failures.length > 0 ? 1 : 0;
}

function report(error) {
  console.error(error instanceof BuildError ? error.message : error);
}

try {
  process.exitCode = await main();
} catch (error) {
  report(error);
  process.exitCode = 1;
}
if (made > 0) prune();
