/** The package as a new user gets it: packed, linted, installed, run. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { publint } from 'publint';
import { which } from '../mpi/launch.ts';
import { nodeVersions } from '../node-versions/index.ts';
import { cleanEnvironment, mpis, type Outcome, packageRoot, run } from '../run-node.ts';
import { type Packed, packPackage, Project, tryNpm } from './packed.ts';

const MOST_BYTES = 3 * 1024 * 1024;
/** What Node.js 20 itself needs: BUILDING.md of nodejs/node, "Platform list". */
const GLIBC_FLOOR = 28;

const PROGRAM = `
import { Worker, isMainThread } from 'node:worker_threads';
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { world } from 'walla/mpi';
if (isMainThread && process.argv[2] === undefined) {
  const total = world.allreduce(world.rank + 1);
  console.log('sum', total, 'of', world.size, readFileSync(new URL('data.txt', import.meta.url), 'utf8'));
  const options = { encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] };
  const child = spawnSync(process.execPath, [process.argv[1], 'child'], options);
  console.log(child.stdout.trim());
  new Worker(new URL(import.meta.url), { argv: ['worker'] });
} else console.log(process.argv[2]);
`;

let scratch: string;
let packed: Packed;
let project: Project;

before(() => {
  scratch = mkdtempSync(join(tmpdir(), 'walla-packed-'));
  packed = packPackage(scratch);
  project = new Project(
    packed.tarball,
    { private: true, type: 'module' },
    {
      'app.js': PROGRAM,
      'data.txt': 'data',
      'laptop.cjs': `Object.defineProperty(process, 'platform', { value: 'darwin' });
Object.defineProperty(process, 'arch', { value: 'arm64' });`,
      'musl.cjs': `process.dlopen = () => { throw new Error('Error loading shared library ld-linux-x86-64.so.2'); };
process.report.getReport = () => ({ header: {} });`,
    },
  );
});
after(() => {
  (project as Project | undefined)?.remove();
  rmSync(scratch, { recursive: true, force: true });
});

describe('the package', () => {
  test('is small, and holds what it needs to run and to be built again, and nothing else', () => {
    assert.ok(packed.bytes < MOST_BYTES, `${packed.bytes} bytes`);
    const paths = packed.files.map(({ path }) => path);
    for (const path of [
      'walla-linux-x64.node',
      'mpi-openmpi-linux-x64.node',
      'mpi-mpich-linux-x64.node',
      'native/linux-x64/libcollfs-mpich.so',
    ]) {
      const mpi = mpis.find(({ abi }) => path.includes(abi));
      if (mpi === undefined || mpi.skip === false) assert.ok(paths.includes(`dist/${path}`), path);
    }
    const others = paths.filter((path) => !/^(?:dist|native|docs\/man)\//.test(path)).sort();
    assert.deepEqual(others, ['CHANGELOG.md', 'LICENSE', 'README.md', 'package.json']);
    const unwanted = /\.map$|(?<!\.d)\.ts$|\.test\.|\.walla$|\.cache|\.o$|~$|binding\.gyp$/;
    assert.deepEqual(
      paths.filter((path) => unwanted.test(path)),
      [],
    );
    const types = paths.filter((path) => path.startsWith('dist/types/'));
    assert.ok(types.every((path) => /\.d\.c?ts$/.test(path)) && types.length > 0);
    const walla = packed.files.find(({ path }) => path === 'dist/cli.js');
    assert.equal((walla?.mode ?? 0) & 0o111, 0o111);
  });

  test('runs no script when it is installed', () => {
    const names = Object.keys(project.manifest().scripts);
    assert.deepEqual(
      names.filter((name) => /install|^prepare$|^(?:pre|post)prepare$/.test(name)),
      [],
    );
  });

  test('has nothing for publint to say', async () => {
    const tarball = new Uint8Array(readFileSync(packed.tarball)).buffer;
    const { messages } = await publint({ pack: { tarball }, strict: true });
    assert.deepEqual(messages, []);
  });

  test('has types that are right for import and require', () => {
    const attw = join(packageRoot, 'node_modules/@arethetypeswrong/cli/dist/index.js');
    // A CommonJS program can require() the ES modules, in every Node.js that walla runs on.
    const flags = ['--profile', 'node16', '--ignore-rules', 'cjs-resolves-to-esm', '--no-emoji'];
    const { status, stdout } = run(process.execPath, [attw, packed.tarball, ...flags]);
    assert.equal(status, 0, stdout);
  });

  test('would be published, with provenance', () => {
    const { status, stderr } = tryNpm(['publish', packed.tarball, '--dry-run'], scratch);
    assert.equal(status, 0, stderr);
    const warnings = stderr.split('\n').filter((line) => line.startsWith('npm warn'));
    assert.deepEqual(
      warnings.filter((line) => !line.includes('requires you to be logged in')),
      [],
    );
  });

  test(
    `needs no newer glibc than 2.${GLIBC_FLOOR}, and no libstdc++`,
    { skip: noReadelf() },
    () => {
      const libraries = packed.files.filter(
        // The preload stands in for the C library's own symbols: it is built for that of its machine.
        ({ path }) => /\.(?:node|so)$/.test(path) && !path.endsWith('libcollfs-preload.so'),
      );
      assert.ok(libraries.length > 0);
      for (const { path } of libraries) {
        const { stdout } = run('readelf', ['-W', '-V', '-d', project.installed(path)]);
        const minors = [...stdout.matchAll(/GLIBC_2\.(\d+)/g)].map(([, minor]) => Number(minor));
        assert.ok(
          minors.length > 0 && Math.max(...minors) <= GLIBC_FLOOR,
          `${path}: ${minors.join()}`,
        );
        assert.doesNotMatch(stdout, /libstdc\+\+/, path);
      }
    },
  );
});

function noReadelf(): string | false {
  return which('readelf') === undefined && 'readelf is not installed';
}

const oldest = nodeVersions[0];
const newest = nodeVersions.at(-1);
const alone = 'sum 1 of 1 data\nchild\nworker\n';

function start(flags: string[], node = process.execPath, env: NodeJS.ProcessEnv = {}): Outcome {
  return run(node, [...flags, project.path('app.js')], env);
}

for (const node of new Set([oldest, newest])) {
  if (node === undefined) continue;
  describe(`a program that has it installed, on Node.js ${node.major}`, () => {
    for (const [how, flags] of [
      ['plainly', []],
      ['staged by --import', ['--import', 'walla/stage']],
      ['staged by -r', ['-r', 'walla/stage']],
    ] as const) {
      test(`runs ${how}`, () => {
        const { status, stdout, stderr } = inProject(node.path, [...flags, 'app.js']);
        assert.equal(stdout, alone, stderr);
        assert.equal(stderr, '');
        assert.equal(status, 0);
      });
    }
    for (const mpi of mpis) {
      test(`runs on two ranks of ${mpi.abi}, staged`, { skip: mpi.skip }, () => {
        const args = mpi.args.filter((word) => !/^(?:--tag-output|-prepend-rank)$/.test(word));
        const words = [...args, '-np', '2', node.path, '--import', 'walla/stage', 'app.js'];
        const { status, stdout, stderr } = inProject(mpi.command, words);
        assert.equal(status, 0, stderr);
        assert.deepEqual(stdout.trim().split('\n').sort(), [
          'child',
          'child',
          'sum 3 of 2 data',
          'sum 3 of 2 data',
          'worker',
          'worker',
        ]);
      });
    }
  });
}

/** In the project's directory, where a shell would be. */
function inProject(command: string, args: string[], env: NodeJS.ProcessEnv = {}): Outcome {
  const options = { cwd: project.root, encoding: 'utf8', timeout: 120_000 } as const;
  const { status, signal, stdout, stderr } = spawnSync(command, args, {
    ...options,
    env: { ...cleanEnvironment(), ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  return { status, signal, stdout, stderr };
}

describe('where there is no native core', () => {
  for (const [what, file, machine] of [
    ['a laptop', 'laptop.cjs', 'darwin-arm64'],
    ['a system with musl', 'musl.cjs', 'linux-x64 \\(musl\\)'],
  ] as const) {
    for (const flag of ['--import', '-r']) {
      test(`${what} runs the program unstaged with ${flag}, and says so once`, () => {
        const { status, stdout, stderr } = inProject(process.execPath, [
          ...['-r', `./${file}`, flag, 'walla/stage', 'app.js'],
        ]);
        assert.equal(stdout, alone);
        assert.match(
          stderr,
          new RegExp(`^walla: there is no native core for ${machine} here: [^\n]*\n$`),
        );
        assert.equal(status, 0);
      });
    }
  }

  test('a program alone runs unstaged when the file is missing; ranks without MPI end with an error', () => {
    const file = project.installed('dist/walla-linux-x64.node');
    renameSync(file, `${file}.away`);
    try {
      const one = start(['--import', project.installed('dist/stage.cjs')]);
      assert.equal(one.stdout, alone);
      assert.match(one.stderr, /^walla: there is no native core for linux-x64 here: [^\n]*\n$/);
      for (const mpi of mpis.filter(({ skip }) => skip === false)) {
        const words = ['-np', '2', process.execPath, '--import', 'walla/stage', 'app.js'];
        const off = { WALLA_MPI: 'off' };
        const { status, stdout, stderr } = inProject(mpi.command, [...mpi.args, ...words], off);
        assert.notEqual(status, 0);
        assert.equal(stdout, '');
        assert.match(stderr, /ERR_WALLA_NATIVE/);
      }
    } finally {
      renameSync(`${file}.away`, file);
    }
  });
});

describe('building from source in an installed package', () => {
  // One is enough: a compiler is at work for long.
  for (const mpi of mpis.filter(({ skip }) => skip === false).slice(-1)) {
    test(`WALLA_MPICC builds the part for ${mpi.abi}`, () => {
      for (const name of ['node-addon-api', 'node-api-headers'])
        symlink(join(packageRoot, 'node_modules', name), project.path(`node_modules/${name}`));
      const addon = project.installed(`dist/mpi-${mpi.abi}-linux-x64.node`);
      writeFileSync(addon, 'to be replaced');
      const built = inProject(
        process.execPath,
        [project.installed('native/build.mjs'), '--only', `mpi-${mpi.abi}`],
        { WALLA_MPICC: `mpicxx.${mpi.abi}` },
      );
      assert.equal(built.status, 0, built.stderr);
      assert.match(built.stdout, new RegExp(`mpi-${mpi.abi}-linux-x64\\.node`));
      const words = ['-np', '2', process.execPath, 'app.js'];
      const { status, stderr } = inProject(mpi.command, [...mpi.args, ...words]);
      assert.equal(status, 0, stderr);
    });
  }
});

function symlink(target: string, path: string): void {
  rmSync(path, { force: true });
  symlinkSync(target, path);
}
