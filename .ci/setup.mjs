/**
 * Makes a fresh checkout ready: system packages (by apt, as root on Debian and its kin), npm packages,
 * dist/. What cannot be had is said and left out; only a missing C++ compiler is an error. Running it
 * again costs less than a second.
 *
 * WALLA_SETUP_APT=no        installs no system packages
 * WALLA_SETUP_MPI=openmpi   or mpich: only that MPI (default both)
 * WALLA_TEST_NODES=current  installs no other Node.js versions for the tests
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { has, must, npmCi, quietly, root, say } from './shared.mjs';

const HOUR_MS = 3_600_000;
const failedApt = path.join(root, '.cache', 'setup-apt-failed');

const wantedMpi = process.env.WALLA_SETUP_MPI ?? 'openmpi mpich';
const wanted = [
  {
    what: 'Open MPI',
    packages: ['openmpi-bin', 'libopenmpi-dev'],
    there: () => has('mpirun.openmpi') && has('mpicc.openmpi'),
    without: 'walla is built and tested without it',
    when: wantedMpi.includes('openmpi'),
  },
  {
    what: 'MPICH',
    packages: ['mpich', 'libmpich-dev'],
    there: () => has('mpirun.mpich') && has('mpicc.mpich'),
    without: 'walla is built and tested without it',
    when: wantedMpi.includes('mpich'),
  },
  {
    what: 'strace',
    packages: ['strace'],
    there: () => has('strace'),
    without: 'file-system calls are not counted',
    when: true,
  },
  {
    what: 'iproute2',
    packages: ['iproute2'],
    there: () => hasOrInSbin('ip'),
    without: 'tests on a cluster of namespaces are skipped',
    when: process.platform === 'linux',
  },
  {
    what: 'Slurm',
    packages: ['slurmctld', 'slurmd', 'slurm-client', 'munge'],
    there: () => ['slurmctld', 'slurmd', 'srun', 'munged'].every(hasOrInSbin),
    without: 'tests under Slurm are skipped',
    when: process.platform === 'linux',
  },
  {
    what: 'ShellCheck',
    packages: ['shellcheck'],
    there: () => has('shellcheck'),
    without: 'the job scripts are not checked by it',
    when: process.env.CI === 'true',
  },
  {
    what: 'SimGrid',
    packages: ['libsimgrid-dev'],
    there: () => has('smpicxx'),
    without: 'the broadcast is not simulated',
    when: process.platform === 'linux',
  },
  {
    what: 'zsh and fish',
    packages: ['zsh', 'fish'],
    there: () => has('zsh') && has('fish'),
    without: 'their completions are not checked',
    when: true,
  },
  {
    what: 'Chromium',
    // Without recommended packages it comes without a font.
    packages: ['chromium', 'fonts-dejavu-core'],
    there: () => ['chromium', 'chromium-browser', 'google-chrome'].some(has),
    without: 'the page of a report is not tested in a browser',
    when: process.platform === 'linux',
  },
  {
    what: 'libfuse 3',
    packages: ['libfuse3-dev', 'pkg-config'],
    there: () => has('pkg-config') && spawnSync('pkg-config', ['--exists', 'fuse3']).status === 0,
    without: 'tests on the slow shared file system are skipped',
    when: process.platform === 'linux' && existsSync('/dev/fuse'),
  },
  {
    what: 'clang-format',
    packages: ['clang-format'],
    there: () => has('clang-format'),
    without: 'the format of C++ files is not checked',
    when: process.env.CI === 'true',
  },
];

/** Not every user has these directories in PATH. */
function hasOrInSbin(name) {
  return has(name) || existsSync(`/usr/sbin/${name}`) || existsSync(`/sbin/${name}`);
}

const missing = () => wanted.filter(({ when, there }) => when && !there());

function whyNotApt() {
  if (process.env.WALLA_SETUP_APT === 'no') return 'WALLA_SETUP_APT=no';
  if (!has('apt-get')) return 'no apt-get here';
  if (process.geteuid?.() !== 0) return 'not root';
  const tried = statSync(failedApt, { throwIfNoEntry: false })?.mtimeMs;
  if (tried !== undefined && Date.now() - tried < HOUR_MS) {
    return `apt-get failed within the last hour; to try again now: rm ${path.relative(root, failedApt)}`;
  }
  return undefined;
}

function installMissing() {
  const packages = missing().flatMap((item) => item.packages);
  if (packages.length === 0) return;
  const whyNot = whyNotApt();
  let reason = whyNot;
  if (whyNot === undefined) {
    say(`installing system packages: ${packages.join(' ')}`);
    const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
    const apt = (...args) => quietly('apt-get', ['-qq', ...args], { env }) !== undefined;
    const install = (...names) => apt('install', '-y', '--no-install-recommends', ...names);
    apt('update');
    // One that cannot be had must not take the others with it.
    if (!install(...packages)) for (const item of missing()) install(...item.packages);
    reason = 'apt-get failed';
    mkdirSync(path.dirname(failedApt), { recursive: true });
    if (missing().length > 0) writeFileSync(failedApt, '');
    else rmSync(failedApt, { force: true });
  }
  for (const { what, packages: names, without } of missing()) {
    say(`left out: ${what}: ${without} (${reason}). To get it: apt-get install ${names.join(' ')}`);
  }
}

installMissing();

if (!has(process.env.CXX ?? 'c++') && !has('g++') && !has('clang++')) {
  say('error: no C++ compiler, which the native core needs. Type: apt-get install g++');
  process.exit(1);
}

if (!npmCi('.')) {
  say('error: npm ci failed; see above');
  process.exit(1);
}

if (process.env.WALLA_TEST_NODES !== 'current') {
  const why =
    process.platform !== 'linux' || process.arch !== 'x64'
      ? 'they are fetched for Linux on x64 only'
      : npmCi('test/node-versions', '--ignore-scripts')
        ? undefined
        : 'npm ci failed; see above';
  if (why !== undefined) say(`left out: other Node.js versions for the tests: ${why}`);
}

must(process.execPath, ['.ci/build.mjs']);
