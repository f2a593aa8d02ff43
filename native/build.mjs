/**
 * Builds the native core with nothing but a C++ compiler: no node-gyp, no Python, no make.
 *
 *     node native/build.mjs [--quiet]               dist/*.node, dist/native/<platform>-<arch>/*
 *     node native/build.mjs --only mpi-mpich        walla, mpi-ABI or collfs-ABI alone; repeatable
 *     node native/build.mjs --target aarch64-linux-gnu   the core for another machine, by its g++
 *     node native/build.mjs --test | --sanitize     builds and runs the C++ unit tests instead
 *     node native/build.mjs --program FILE.cpp ...  builds one test program under sanitizers and runs it
 *
 * CXX names the compiler; WALLA_MPICC_OPENMPI, WALLA_MPICC_MPICH and WALLA_MPICC name MPI compilers.
 * Objects are kept in .cache/native under a hash of all that goes into them.
 */
import { spawnSync } from 'node:child_process';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { Artefacts } from './build/artefacts.mjs';
import { floorOf, nodeApiFlags, SANITIZE, TEST } from './build/flags.mjs';
import { root } from './build/layout.mjs';
import { MPI_NAMES, namedCompiler } from './build/mpi-compilers.mjs';
import { link, prune } from './build/products.mjs';
import { sourcesIn, withNeeded } from './build/sources.mjs';
import { BuildError, findCompiler } from './build/tools.mjs';

const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    program: { type: 'string' },
    target: { type: 'string' },
    only: { type: 'string', multiple: true },
    quiet: { type: 'boolean', default: false },
    test: { type: 'boolean', default: false },
    sanitize: { type: 'boolean', default: false },
  },
});
/** Node.js's names for the processors that a target may begin with. */
const ARCHS = { x86_64: 'x64', aarch64: 'arm64' };

function machine() {
  if (!options.target) return `${process.platform}-${process.arch}`;
  const arch = ARCHS[options.target.split('-')[0]];
  if (!arch || !options.target.endsWith('-linux-gnu'))
    throw new BuildError(`--target ${options.target}: known are x86_64- and aarch64-linux-gnu`);
  return `linux-${arch}`;
}

/** Builds test sources into one program and runs it. @returns exit code */
async function runTests(tool, starts, flags, args) {
  const units = withNeeded(starts).map((source) => ({ tool, source, flags }));
  const program = await link(tool, units, [...flags, '-ldl']);
  return spawnSync(program, args, { stdio: 'inherit' }).status ?? 1;
}

async function deliver(tool) {
  const artefacts = new Artefacts({
    tool,
    floor: await floorOf(tool),
    napi: nodeApiFlags(),
    override: await namedCompiler('WALLA_MPICC'),
    output: join(root, 'dist', 'native', machine()),
    say: (line) => options.quiet || console.log(line),
  });
  const makers = { walla: () => artefacts.core() };
  if (!options.target) {
    makers['collfs-audit'] = () => artefacts.collfsAudit();
    makers['collfs-preload'] = () => artefacts.collfsPreload();
    for (const abi of Object.keys(MPI_NAMES)) {
      makers[`mpi-${abi}`] = () => artefacts.mpi(abi);
      makers[`collfs-${abi}`] = () => artefacts.collfs(abi);
    }
  }
  const names = options.only ?? Object.keys(makers);
  for (const name of names)
    if (!makers[name])
      throw new BuildError(`--only ${name}: known are ${Object.keys(makers).join(', ')}`);
  const results = await Promise.allSettled(names.map((name) => makers[name]()));
  const failures = results.filter(({ status }) => status === 'rejected');
  for (const { reason } of failures) report(reason);
  return failures.length > 0 ? 1 : 0;
}

function main() {
  const tool = findCompiler(options.target);
  if (options.program)
    return runTests(tool, [resolve(options.program)], [...TEST, ...SANITIZE], positionals);
  if (options.test || options.sanitize) {
    const flags = options.sanitize ? [...TEST, ...SANITIZE] : TEST;
    return runTests(tool, sourcesIn(join(root, 'test', 'native')), flags, []);
  }
  return deliver(tool);
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
prune();
