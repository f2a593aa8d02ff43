/** The job scripts of examples/launchers, as far as they can be looked at without their launcher. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, symlinkSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { parseAllDocuments } from 'yaml';
import { which } from '../mpi/launch.ts';
import { Application, cleanEnvironment, installPackage, mpis, packageRoot } from '../run-node.ts';

const folder = join(packageRoot, 'examples/launchers');
const names = readdirSync(folder).sort();
const hasShellCheck = spawnSync('shellcheck', ['--version']).status === 0;

interface Container {
  volumeMounts?: { name: string; mountPath: string }[];
}
interface PodSpec {
  containers: Container[];
  volumes?: { name: string; emptyDir?: { medium?: string; sizeLimit?: string } }[];
}

/** Everything in a manifest that has containers. */
function podSpecs(value: unknown): PodSpec[] {
  if (typeof value !== 'object' || value === null) return [];
  const below = Object.values(value).flatMap(podSpecs);
  return 'containers' in value ? [value as PodSpec, ...below] : below;
}

describe('examples/launchers', () => {
  for (const name of names.filter((name) => name.endsWith('.sh'))) {
    test(`${name} is a shell script`, () => {
      const { status, stderr } = spawnSync('bash', ['-n', join(folder, name)], {
        encoding: 'utf8',
      });
      assert.equal(status, 0, stderr);
    });

    const skip = hasShellCheck ? false : 'shellcheck is not installed';
    test(`${name} has nothing that ShellCheck knows to be wrong`, { skip }, () => {
      const { status, stdout } = spawnSync('shellcheck', [join(folder, name)], {
        encoding: 'utf8',
      });
      assert.equal(status, 0, stdout);
    });
  }

  const missing = mpis.find(({ abi }) => abi === 'openmpi')?.skip ?? 'there is no Open MPI';
  describe(
    'under Open MPI, with the variables that the scheduler would set',
    { skip: missing },
    () => {
      let app: Application;
      before(() => {
        app = new Application({
          'package.json': '{"name":"app"}',
          'app.mjs':
            "import { world } from 'walla/mpi'; import './lib.mjs'; console.log(world.size, globalThis.lib);",
          'lib.mjs': 'globalThis.lib = process.env.WALLA_ATTACH !== undefined;',
        });
        installPackage(app.root);
        mkdirSync(app.path('bin'));
        symlinkSync(which('mpirun.openmpi') ?? '', app.path('bin/mpirun'));
      });
      after(() => app.remove());

      // The node file has a line a rank, as PBS writes it.
      const schedulers = {
        'pbs.sh': { PBS_O_WORKDIR: '.', PBS_NODEFILE: 'hosts' },
        'lsf.sh': { LSB_DJOB_NUMPROC: '2' },
      };
      for (const [name, variables] of Object.entries(schedulers))
        test(`${name} packs and starts the ranks staged`, () => {
          app.write('hosts', 'localhost\n'.repeat(2));
          const { status, stdout, stderr } = spawnSync('bash', [join(folder, name)], {
            cwd: app.root,
            encoding: 'utf8',
            env: {
              ...cleanEnvironment(),
              ...variables,
              APP: 'app.mjs',
              PATH: `${app.path('bin')}:${dirname(process.execPath)}:${process.env['PATH'] ?? ''}`,
              OMPI_ALLOW_RUN_AS_ROOT: '1',
              OMPI_ALLOW_RUN_AS_ROOT_CONFIRM: '1',
              WALLA_VERBOSE: '1',
            },
          });
          assert.equal(status, 0, stderr);
          assert.equal(stdout, '2 true\n'.repeat(2));
          assert.match(stderr, /walla: staged app\.walla, .* for 2 ranks/);
        });
    },
  );

  for (const name of names.filter((name) => name.endsWith('.yaml')))
    test(`${name} mounts memory at /dev/shm where ranks run`, () => {
      const [document, ...others] = parseAllDocuments(readFileSync(join(folder, name), 'utf8'));
      assert.ok(document);
      assert.deepEqual([...document.errors, ...document.warnings, ...others], []);
      const memory = podSpecs(document.toJS()).map(({ containers, volumes = [] }) => {
        const mounts = containers.flatMap(({ volumeMounts = [] }) => volumeMounts);
        for (const mount of mounts)
          assert.ok(
            volumes.some((volume) => volume.name === mount.name),
            mount.name,
          );
        const shm = mounts.find(({ mountPath }) => mountPath === '/dev/shm');
        return volumes.find((volume) => volume.name === shm?.name)?.emptyDir;
      });
      assert.ok(memory.some((dir) => dir?.medium === 'Memory' && dir.sizeLimit !== undefined));
    });

  test('are all in their README', () => {
    const readme = readFileSync(join(folder, 'README.md'), 'utf8');
    for (const name of names) if (name !== 'README.md') assert.ok(readme.includes(`(${name})`));
  });
});
