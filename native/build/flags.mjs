/** What the compilers are told. */
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { native } from './layout.mjs';
import { run } from './tools.mjs';

const BASE = ['-std=c++17', '-Wall', '-Wextra', '-Werror', '-pthread'];
// Every rank reads an addon, in parts of 128 KiB: what is not used is left out of it.
const SECTIONS = ['-ffunction-sections', '-fdata-sections'];
/** For what converts values, which is much text and little work; follows -O2. */
export const SMALL = '-Os';
export const COMPILE = [...BASE, '-O2', '-fPIC', '-fvisibility=hidden', ...SECTIONS];
// nodelete: a worker that ends unloads its addons, but the mapped image and its strings stay.
export const SHARED = [
  ...['-shared', '-s', '-pthread', '-Wl,-z,nodelete', '-ldl'],
  `-Wl,--version-script=${join(native, 'build', 'exports.ver')}`,
];
export const TEST = [...BASE, '-O1', '-g'];
export const SANITIZE = ['-fsanitize=address,undefined', '-fno-sanitize-recover=all'];
/** The C++ bindings of MPI are gone from the standard, and warn where they are left. */
export const MPI_DEFINES = ['-DOMPI_SKIP_MPICXX', '-DMPICH_SKIP_MPICXX'];

/** Flags for the one folder that includes napi.h. */
export function nodeApiFlags() {
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

/** Machines whose old symbols native/build/glibc-floor.c knows. */
const FLOOR_MACHINES = /^(?:x86_64|aarch64)-[\w-]*linux-gnu$/;
const FLOOR_SYMBOLS = [
  ...['stat', 'fstat', 'lstat', 'fstatat', 'dlsym', 'dladdr', 'dlopen', 'dlerror'],
  ...['create', 'join', 'detach', 'once', 'sigmask', 'cond_clockwait'].map((n) => `pthread_${n}`),
  ...['key_create', 'key_delete', 'getspecific', 'setspecific'].map((n) => `pthread_${n}`),
  '__pthread_key_create',
];

/**
 * How to link so that the result runs with an older C and C++ library than those here: libstdc++ goes into the
 * file, and symbols of glibc are taken in their oldest version (native/build/glibc-floor.c).
 * @returns {Promise<{units: object[], libraryUnits: object[], wraps: string[], libraries: string[]}>} what to link
 *   besides; `libraryUnits` with libstdc++ alone
 */
export async function floorOf(compiler) {
  const machine = (await run(compiler, ['-dumpmachine'])).trim();
  const archive = (await run(compiler, ['-print-file-name=libstdc++.a'])).trim();
  if (!FLOOR_MACHINES.test(machine) || !archive.includes('/'))
    return { units: [], libraryUnits: [], wraps: [], libraries: ['-lstdc++'] };
  const warnings = ['-Wall', '-Wextra', '-Werror'];
  const optimize = ['-O2', '-fPIC', '-fvisibility=hidden', '-ffunction-sections'];
  const flags = ['-x', 'c', '-std=c11', ...warnings, ...optimize];
  const terminate = { source: join(native, 'build', 'terminate.cpp'), flags: COMPILE };
  return {
    units: [{ tool: compiler, source: join(native, 'build', 'glibc-floor.c'), flags }],
    libraryUnits: [{ tool: compiler, ...terminate }],
    wraps: ['-Wl,--gc-sections', ...FLOOR_SYMBOLS.map((name) => `-Wl,--wrap=${name}`)],
    libraries: [
      // Symbols of a library inside are nobody else's: Node.js has a libstdc++ of its own.
      ...['-Wl,--exclude-libs,ALL', '-nodefaultlibs', '-Wl,--as-needed'],
      ...[archive, '-lm', '-lgcc_s', '-lgcc', '-lpthread', '-ldl', '-lc'],
    ],
  };
}
