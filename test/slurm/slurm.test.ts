/** A real Slurm starts staged programs: by each of its MPI plugins, without one, and by the example scripts. */
import assert from 'node:assert/strict';
import { cpSync, existsSync, mkdirSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { addonPath } from '../../native/addon-path.ts';
import type { MpiAbi } from '../../native/launcher.ts';
import {
  Application,
  cli,
  installPackage,
  packageRoot,
  packProgram,
  preload,
} from '../run-node.ts';
import type { RunResult } from '../cluster/cluster.ts';
import { SlurmCluster } from './slurm-cluster.ts';

const NODES = 3;
const RANKS = 2 * NODES;
const skip = SlurmCluster.unavailableReason() ?? false;
const scripts = join(packageRoot, 'examples/launchers');

/** MPICH stays on one node: over UCX's TCP its 4.0.2 hangs now and then in MPI_Finalize between nodes. */
const PLUGINS: { plugin: string; abi: MpiAbi; nodes: number; ranks: number; where: string }[] = [
  { plugin: 'pmix', abi: 'openmpi', nodes: NODES, ranks: RANKS, where: `--nodes=${NODES}` },
  // Always the same one: what a killed job leaves goes with the next job on its node.
  { plugin: 'pmi2', abi: 'mpich', nodes: 1, ranks: 2, where: '--nodelist=nid001' },
];

const FILES = {
  'package.json': '{}',
  'hello.mjs': `import { greeting } from './greeting.mjs';\nconsole.log(greeting, process.argv[2] ?? '');\n`,
  'greeting.mjs': `export const greeting = process.env.WALLA_ATTACH ? 'staged' : 'unstaged';\n`,
  // Every rank has to be there at once: how many copies a node makes is then no matter of timing.
  'meet.mjs': `
    import { readdirSync, writeFileSync } from 'node:fs';
    import { greeting } from './greeting.mjs';
    const { MEET, MEET_RANKS = ${RANKS}, SLURM_PROCID, SLURM_ARRAY_TASK_ID } = process.env;
    writeFileSync(\`\${MEET}/\${SLURM_ARRAY_TASK_ID ?? SLURM_PROCID}\`, '');
    const end = Date.now() + 60_000;
    while (readdirSync(MEET).length < Number(MEET_RANKS) && Date.now() < end)
      await new Promise((done) => setTimeout(done, 50));
    console.log(greeting, readdirSync(MEET).length);
  `,
  'sum.mjs': `
    import { world } from 'walla/mpi';
    import './greeting.mjs';
    console.log('sum', world.allreduce(world.rank + 1), world.size);
  `,
  'exit.mjs': `
    import { readFileSync } from 'node:fs';
    readFileSync(new URL('./large.txt', import.meta.url));
    const how = process.argv[2];
    if (how.startsWith('SIG')) process.kill(process.pid, how);
    else process.exit(Number(how));
  `,
  'large.txt': 'x'.repeat(2 * 1024 * 1024),
  'fail.mjs': `
    import { world } from 'walla/mpi';
    if (world.rank === 1) throw new Error('rank 1 fails');
    world.barrier();
  `,
};

function count(text: string, pattern: RegExp): number {
  return text.match(new RegExp(pattern, 'gm'))?.length ?? 0;
}

/** Over all lines of WALLA_VERBOSE: one of each job, or of each process without MPI. */
function copies(text: string): number {
  const lines = [...text.matchAll(/; (\d+) nodes received it/g)];
  return lines.reduce((sum, [, nodes]) => sum + Number(nodes), 0);
}

function withoutAddon(abi: MpiAbi): string | false {
  return existsSync(addonPath(`mpi-${abi}`)) ? false : `the addon for ${abi} is not built`;
}

describe('Slurm', { skip }, () => {
  let slurm: SlurmCluster;
  let app: Application;
  let env: Record<string, string | undefined>;

  before(async () => {
    app = new Application(FILES);
    installPackage(app.root);
    for (const name of ['hello', 'meet', 'sum', 'fail', 'exit'])
      packProgram(app.path(`${name}.mjs`), app.path(`${name}.walla`));
    env = {
      WALLA_VERBOSE: '1',
      NO_COLOR: '1',
      // MPICH stays on one node, where UCX may use shared memory.
      UCX_TLS: undefined,
      UCX_NET_DEVICES: undefined,
      // The scripts run the Node.js that packed.
      PATH: `${dirname(process.execPath)}:${process.env['PATH'] ?? ''}`,
    };
    slurm = await SlurmCluster.start({ nodes: NODES });
  });
  after(async () => {
    await slurm.stop();
    app.remove();
  });

  const meetingPlace = (name: string): string => {
    const directory = app.path(`met-${name}`);
    mkdirSync(directory);
    return directory;
  };

  const srun = (
    options: string[],
    program: string,
    more: Record<string, string> = {},
    loaded = preload,
  ): Promise<RunResult> =>
    slurm.run(
      ['srun', '--quiet', ...options, process.execPath, '--import', loaded, `${program}.mjs`],
      {
        cwd: app.root,
        timeoutMs: 90_000,
        env: { ...env, WALLA_ARCHIVE: app.path(`${program}.walla`), ...more },
      },
    );

  for (const { plugin, abi, nodes, ranks, where } of PLUGINS) {
    const missing = withoutAddon(abi);
    const options = [where, `--ntasks=${ranks}`, `--mpi=${plugin}`];

    describe(`srun --mpi=${plugin}`, { skip: missing }, () => {
      test('stages over MPI, and the program has MPI', async () => {
        const { code, stdout, stderr } = await srun(options, 'sum');
        assert.equal(code, 0, stderr);
        const sum = (ranks * (ranks + 1)) / 2;
        assert.equal(stdout, `sum ${sum} ${ranks}\n`.repeat(ranks));
        assert.match(stderr, new RegExp(`for ${ranks} ranks; ${nodes} nodes received it`));
        assert.equal(count(stderr, /walla: staged/), 1, stderr);
        assert.equal(await slurm.leftBehind(), '');
      });

      test('ends the job when one rank fails', async () => {
        const { code, stderr, timedOut } = await srun(options, 'fail');
        assert.equal(timedOut, false);
        assert.notEqual(code, 0);
        assert.match(stderr, /Error: rank 1 fails/);
      });

      test('stages a second program of the same ranks without MPI', async () => {
        const line = `"$NODE" --import "$PRELOAD" sum.mjs && WALLA_ARCHIVE=hello.walla "$NODE" --import "$PRELOAD" hello.mjs`;
        const words = ['srun', '--quiet', ...options, 'sh', '-c', line];
        const { code, stdout, stderr } = await slurm.run(words, {
          cwd: app.root,
          env: { ...env, NODE: process.execPath, PRELOAD: preload, WALLA_ARCHIVE: 'sum.walla' },
        });
        assert.equal(code, 0, stderr);
        assert.equal(count(stdout, /^staged/), ranks);
      });

      const stageWithoutAddon = (): string => {
        const root = app.path(`walla-without-${abi}`);
        const addon = addonPath(`mpi-${abi}`).slice(packageRoot.length + 1);
        cpSync(app.path('node_modules/walla'), root, { recursive: true });
        rmSync(join(root, addon));
        return join(root, 'dist/stage.cjs');
      };

      test('stops all ranks when one alone has no addon', async () => {
        const line = `[ "$SLURM_PROCID" = 1 ] && stage=$2 || stage=$1; exec "$0" --import "$stage" hello.mjs`;
        const words = ['sh', '-c', line, process.execPath, preload, stageWithoutAddon()];
        const { code, stdout, stderr } = await slurm.run(
          ['srun', '--quiet', ...options, ...words],
          { cwd: app.root, timeoutMs: 90_000, env: { ...env, WALLA_ARCHIVE: 'hello.walla' } },
        );
        assert.notEqual(code, 0);
        assert.equal(stdout, '');
        assert.match(stderr, /\[rank 1@\w+\] ERR_WALLA_MPI: .* was not built/);
        assert.equal(count(stderr, /ERR_WALLA/), 1, stderr);
        assert.equal(await slurm.leftBehind(), '');
      });

      test('stages without MPI where no rank has an addon, one copy a node', async () => {
        const MEET = meetingPlace(plugin);
        const stage = stageWithoutAddon();
        const here = { MEET, MEET_RANKS: String(ranks) };
        const { code, stdout, stderr } = await srun(options, 'meet', here, stage);
        assert.equal(code, 0, stderr);
        assert.equal(stdout, `staged ${ranks}\n`.repeat(ranks));
        assert.equal(count(stderr, /^walla: staging without MPI, one copy a node: /), 1, stderr);
        assert.equal(copies(stderr), nodes, stderr);
        assert.equal(await slurm.leftBehind(), '');
        const asked = await srun(options, 'hello', { WALLA_MPI: abi }, stage);
        assert.notEqual(asked.code, 0);
        assert.match(asked.stderr, /ERR_WALLA_MPI: .* cannot be loaded/);
      });
    });
  }

  test('srun --mpi=none stages one copy a node', async () => {
    const MEET = meetingPlace('none');
    const options = [`--nodes=${NODES}`, `--ntasks=${RANKS}`, '--mpi=none'];
    const { code, stdout, stderr } = await srun(options, 'meet', { MEET });
    assert.equal(code, 0, stderr);
    assert.equal(stdout, `staged ${RANKS}\n`.repeat(RANKS));
    assert.equal(copies(stderr), NODES, stderr);
    assert.equal(await slurm.leftBehind(), '');
  });

  test('a program that uses MPI hears that srun --mpi=none has none for it', async () => {
    // Each rank ends by itself. A step that srun kills can lose what a rank has said.
    const options = ['--nodes=2', '--ntasks=2', '--mpi=none', '--kill-on-bad-exit=0'];
    const { code, stdout, stderr } = await srun(options, 'sum');
    assert.notEqual(code, 0);
    assert.equal(stdout, '');
    assert.match(stderr, /srun started 2 ranks without MPI for them/);
    const apart = await srun(options, 'sum', { WALLA_MPI: 'off' });
    assert.equal(apart.stdout, 'sum 1 1\n'.repeat(2), apart.stderr);
  });

  const noMpich = { skip: withoutAddon('mpich') };
  test('an MPI that srun does not speak is a mismatch', noMpich, async () => {
    const { code, stderr } = await srun(['--nodes=2', '--mpi=pmix'], 'hello', {
      WALLA_MPI: 'mpich',
    });
    assert.notEqual(code, 0);
    assert.match(stderr, /ERR_WALLA_MPI_MISMATCH: .*a PMIx launcher with size 2.* size 1: MPICH/);
  });

  describe('walla run', { skip: withoutAddon('openmpi') }, () => {
    const nodes = 2;
    const byPmix = ['--launcher', 'srun --quiet --mpi=pmix'];
    const walla = (options: string[], program: string, ...words: string[]) =>
      [process.execPath, cli, 'run', ...options].concat([
        '--',
        process.execPath,
        program,
        ...words,
      ]);
    const allocated = (words: string[], terminal = false): Promise<RunResult> => {
      const all = ['salloc', '--quiet', `--nodes=${nodes}`, '--ntasks-per-node=2', ...words];
      const line = all.map((word) => `'${word}'`).join(' ');
      return slurm.run(terminal ? ['script', '-qec', line, '/dev/null'] : all, {
        cwd: app.root,
        timeoutMs: 90_000,
        env: { ...env, ...(terminal && { TERM: 'xterm' }) },
      });
    };

    test('prestages each node of an allocation once, and then starts the ranks', async () => {
      const options = [...byPmix, '--archive', 'sum.walla'];
      const { code, stdout, stderr } = await allocated(walla(options, 'sum.mjs'));
      assert.equal(code, 0, stderr);
      assert.equal(stdout, 'sum 10 4\n'.repeat(4));
      assert.match(stderr, /walla: sum\.walla, .* is on 2 nodes, 2 received it/);
      assert.match(stderr, /walla: staged .* for 4 ranks; 0 nodes received it/);
      assert.equal(await slurm.leftBehind(), '');
    });

    test('shows on a terminal how far the image is, and hands an exit code on', async () => {
      const options = [...byPmix, '-n', '3', '--archive', 'exit.walla'];
      const { code, stdout } = await allocated(walla(options, 'exit.mjs', '7'), true);
      assert.equal(code, 7, stdout);
      assert.match(stdout, /placing \[=+\] 2\/2 MiB/);
      assert.equal(count(stdout, /is on 2 nodes, 2 received it/), 1, stdout);
      assert.equal(await slurm.leftBehind(), '');
    });

    test('leaves nothing on the nodes when a rank is killed', async () => {
      const options = [...byPmix, '--archive', 'exit.walla'];
      const { code, stderr } = await allocated(walla(options, 'exit.mjs', 'SIGKILL'));
      assert.notEqual(code, 0, stderr);
      assert.equal(await slurm.leftBehind(), '');
    });

    test('prestages where srun has no MPI, and lets ranks do it outside of an allocation', async () => {
      // Without MPI nothing has ranks of a node wait for each other; the first to end after the last would place again.
      env['MEET'] = meetingPlace('run-none');
      const bare = ['--launcher', 'srun --quiet --mpi=none'];
      const { code, stdout, stderr } = await allocated([
        'env',
        'MEET_RANKS=4',
        ...walla([...bare, '--archive', 'meet.walla'], 'meet.mjs'),
      ]);
      assert.equal(code, 0, stderr);
      assert.deepEqual([count(stdout, /^staged 4$/), copies(stderr)], [4, 0], stderr);
      assert.match(stderr, /is on 2 nodes, 2 received it/);
      const options = [...bare, '--archive', 'hello.walla', '-n', '2'];
      const alone = await slurm.run(walla(options, 'hello.mjs'), { cwd: app.root, env });
      assert.equal(alone.code, 0, alone.stderr);
      assert.equal(count(alone.stdout, /^staged/), 2);
      assert.match(alone.stderr, /not prestaged: outside of an allocation/);
      assert.equal(await slurm.leftBehind(), '');
    });

    test('of elements of an array, one a node places the image', async () => {
      env['MEET'] = meetingPlace('run-array');
      const line = walla(['--archive', 'meet.walla'], 'meet.mjs').join(' ');
      const array = [`--array=1-${RANKS}`, '--ntasks=1', `--wrap=${line}`];
      const { state, output } = await slurm.sbatch(array, { cwd: app.root, env });
      assert.equal(state, 'COMPLETED', output);
      assert.equal(count(output, new RegExp(`^staged ${RANKS}$`)), RANKS, output);
      assert.equal(count(output, /is on 1 node, 1 received it/), NODES, output);
      assert.equal(count(output, /is on 1 node, 0 received it/), RANKS - NODES, output);
      assert.equal(await slurm.leftBehind(), '');
    });
  });

  describe('examples/launchers', { skip: withoutAddon('openmpi') }, () => {
    const submit = (script: string, words: string[], nodes = NODES) =>
      slurm.sbatch([`--nodes=${nodes}`, join(scripts, script), ...words], { cwd: app.root, env });

    test('slurm.sh runs ranks from one archive', async () => {
      const { state, output } = await submit('slurm.sh', ['sum.mjs']);
      assert.equal(state, 'COMPLETED', output);
      assert.equal(count(output, /^sum 21 6$/), RANKS, output);
      assert.match(output, /for 6 ranks; 3 nodes received it/);
      assert.equal(await slurm.leftBehind(), '');
    });

    test('slurm-steps.sh copies once for all steps, and cleans up', async () => {
      const { state, output } = await submit('slurm-steps.sh', ['hello.mjs', '2']);
      assert.equal(state, 'COMPLETED', output);
      for (const step of ['1', '2'])
        assert.equal(count(output, new RegExp(`^staged ${step}$`)), RANKS);
      assert.match(output, /3 nodes received it(.|\n)*0 nodes received it/);
      assert.equal(await slurm.leftBehind(), '');
    });

    test('slurm-array.sh copies once a node', async () => {
      env['MEET'] = meetingPlace('array');
      const array = [`--array=1-${RANKS}`, join(scripts, 'slurm-array.sh'), 'meet.mjs'];
      const { state, output } = await slurm.sbatch(array, { cwd: app.root, env });
      assert.equal(state, 'COMPLETED', output);
      assert.equal(count(output, new RegExp(`^staged ${RANKS}$`)), RANKS, output);
      assert.equal(copies(output), NODES, output);
      assert.equal(await slurm.leftBehind(), '');
    });
  });
});
