/**
 * `walla run` and the job script under Flux, which Debian does not have. In its place is a command that does what the manual
 * of flux-run(1) says: a PMI-1 server for the ranks, which comes from MPICH here, and none of MPICH's own variables.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { chmodSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { which } from '../mpi/launch.ts';
import {
  Application,
  cleanEnvironment,
  cli,
  installPackage,
  leftBehind,
  mpis,
  packageRoot,
} from '../run-node.ts';

const mpich = mpis.find(({ abi }) => abi === 'mpich');
const skip = mpich ? mpich.skip : 'there is no MPICH';

const standIn = (mpirun: string, log: string) => `#!/bin/bash
echo "flux $*" >> '${log}'
[ "$1" = run ] || exit 64
shift
ranks=1
while [ $# -gt 0 ]; do
  case $1 in
    -n) ranks=$2; shift 2 ;;
    --ntasks=*) ranks=\${1#*=}; shift ;;
    -N | -o) shift 2 ;;
    --nodes=*) shift ;;
    *) break ;;
  esac
done
exec '${mpirun}' -n "$ranks" /bin/sh -c 'export FLUX_TASK_LOCAL_ID=$PMI_RANK; unset MPI_LOCALRANKID MPI_LOCALNRANKS; exec "$0" "$@"' "$@"
`;

describe('under what stands in for Flux', { skip }, () => {
  let app: Application;
  const log = () => readFileSync(app.path('flux.log'), 'utf8').trim().split('\n');

  before(() => {
    app = new Application({
      'package.json': '{"name":"app"}',
      'app.mjs':
        "import { world } from 'walla/mpi'; import './lib.mjs'; console.log(world.size, globalThis.lib);",
      'lib.mjs': 'globalThis.lib = process.env.WALLA_ATTACH !== undefined;',
      'bin/flux': '',
      'shm/.keep': '',
    });
    installPackage(app.root);
    app.write('bin/flux', standIn(which('mpirun.mpich') ?? '', app.path('flux.log')));
    chmodSync(app.path('bin/flux'), 0o755);
    symlinkSync(process.execPath, app.path('bin/node'));
  });
  after(() => app.remove());

  const start = (words: string[], env: Record<string, string>) => {
    rmSync(app.path('flux.log'), { force: true });
    const [command = '', ...rest] = words;
    const ended = spawnSync(command, rest, {
      cwd: app.root,
      encoding: 'utf8',
      env: { ...cleanEnvironment(), WALLA_DIR: app.path('shm'), ...env },
    });
    assert.equal(ended.status, 0, ended.stderr);
    assert.deepEqual(leftBehind(app.path('shm')), []);
    return ended;
  };

  test('walla run takes it inside of its instance, and prestages with one process a node', () => {
    const words = [process.execPath, cli, 'run', '-n', '2', '--', 'node', 'app.mjs'];
    const { stdout } = start(words, { PATH: app.path('bin'), FLUX_URI: 'local:///run/flux/local' });
    assert.equal(stdout, '2 true\n'.repeat(2));
    assert.match(log().at(-1) ?? '', /^flux run -n 2 /);

    const named = [...words.slice(0, 3), '--launcher', 'flux run -N 1', ...words.slice(3)];
    const prestaged = start(named, { PATH: app.path('bin') });
    assert.equal(prestaged.stdout, '2 true\n'.repeat(2));
    assert.match(prestaged.stderr, /is on 1 node, 1 received it/);
    const [place, ranks] = log();
    assert.match(place ?? '', /^flux run -N 1 -n 1 /);
    assert.match(ranks ?? '', /^flux run -N 1 -n 2 /);
  });

  test('examples/launchers/flux.sh packs and starts the ranks staged', () => {
    const words = ['bash', join(packageRoot, 'examples/launchers/flux.sh'), 'app.mjs'];
    const { stdout, stderr } = start(words, {
      PATH: `${app.path('bin')}:${dirname(process.execPath)}:${process.env['PATH'] ?? ''}`,
      WALLA_VERBOSE: '1',
    });
    assert.equal(stdout, '8 true\n'.repeat(8));
    assert.match(stderr, /walla: staged app\.walla, .* for 8 ranks/);
    assert.deepEqual(
      log().map((line) => line.replace(/ node .*/, '')),
      ['flux run --nodes=4 --ntasks=8 -o exit-timeout=30s'],
    );
  });
});
