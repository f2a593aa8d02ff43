import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join, normalize } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

import { addonPath } from '../../native/addon-path.ts';
import { cleanEnvironment, mpis, which } from '../mpi/launch.ts';
import { auditLibrary, collfsRun, collfsRunWords, stageSkip } from './stage.ts';

const probeSource = fileURLToPath(new URL('probe.c', import.meta.url));

function build(compiler: string, ...args: string[]): void {
  const result = spawnSync(compiler, args, { encoding: 'utf8' });
  assert.equal(result.status, 0, result.stderr);
}

function linesOf(text: string): string[] {
  return text.split('\n').filter((line) => line !== '');
}

/** Names in /dev/shm that are stages. */
function stages(): string[] {
  return readdirSync('/dev/shm').filter((name) => name.startsWith('collfs-'));
}

for (const { abi } of mpis) {
  const missing = which('gcc') === undefined ? 'gcc is not installed' : stageSkip(abi);
  describe(`collfs-run under ${abi}`, { skip: missing }, () => {
    let directory: string;
    let libs: string;
    let probe: string;
    const at = (name: string) => join(libs, name);

    before(() => {
      directory = mkdtempSync(join(tmpdir(), 'walla-shadow-'));
      libs = join(directory, 'libs');
      mkdirSync(at('plugins'), { recursive: true });
      probe = join(directory, 'probe');
      const source = join(directory, 'library.c');
      writeFileSync(source, '__attribute__((visibility("default"))) int one(void) { return 1; }');
      const shared = ['-shared', '-fPIC', source, '-Wl,--no-as-needed', '-Wl,--enable-new-dtags'];
      build('gcc', ...shared, '-o', at('libprobe_base.so.1'), '-Wl,-soname,libprobe_base.so.1');
      symlinkSync('libprobe_base.so.1', at('libprobe_base.so'));
      mkdirSync(at('deep'));
      symlinkSync(at('plugins'), at('deep/linked'));
      // Finds its dependency by $ORIGIN, through `..`.
      build(
        ...['gcc', ...shared, '-o', at('plugins/libprobe_plugin.so'), `-L${libs}`],
        ...['-lprobe_base', '-Wl,-rpath,$ORIGIN/..'],
      );
      build('gcc', '-o', probe, probeSource, '-ldl');
    });
    after(() => {
      rmSync(directory, { recursive: true });
    });

    function probed(names: string[], env: NodeJS.ProcessEnv = {}, program = probe): string[] {
      const { status, stdout, stderr } = collfsRun(abi, [libs], [program, ...names], env);
      assert.equal(status, 0, stderr);
      return linesOf(stdout);
    }

    it('loads a library and what it needs from copies, under their own names', () => {
      const plugin = at('plugins/libprobe_plugin.so');
      const plain = spawnSync(probe, [plugin], { encoding: 'utf8', env: cleanEnvironment() });
      const names = linesOf(plain.stdout).map((line) => line.replace(/^file /, ''));
      assert.deepEqual(names, [plugin, `${libs}/plugins/../libprobe_base.so.1`]);
      assert.deepEqual(
        probed([plugin]),
        names.map((name) => `copy ${normalize(name)}`),
      );
    });

    it('follows `..` after a linked directory to where it leads', () => {
      // By its letters it would be deep/libprobe_base.so.1, which is not there.
      assert.deepEqual(probed([`${libs}/deep/linked/../libprobe_base.so.1`]), [
        `file ${libs}/deep/linked/../libprobe_base.so.1`,
      ]);
    });

    it('loads what a program is linked with from copies', () => {
      const linked = join(directory, 'linked');
      const base = ['-Wl,--no-as-needed', `-L${libs}`, '-lprobe_base', `-Wl,-rpath,${libs}`];
      build('gcc', '-o', linked, probeSource, ...base, '-ldl');
      assert.deepEqual(probed([], {}, linked), [`copy ${at('libprobe_base.so.1')}`]);
    });

    it('loads what LD_LIBRARY_PATH leads to from copies', () => {
      const env = { LD_LIBRARY_PATH: `${directory}:${libs}` };
      assert.deepEqual(probed(['libprobe_base.so.1'], env), [`copy ${at('libprobe_base.so.1')}`]);
    });

    it('takes a link and its file for one library', () => {
      assert.deepEqual(probed([at('libprobe_base.so'), at('libprobe_base.so.1')]), [
        'the same again',
        `copy ${at('libprobe_base.so')}`,
      ]);
    });

    it('says of a library that is not there what the linker says', () => {
      const [line, ...more] = probed([at('libprobe_none.so')]);
      assert.match(
        line ?? '',
        /^error .*libprobe_none\.so: cannot open shared object file: No such/,
      );
      assert.deepEqual(more, []);
    });

    it('leaves libraries elsewhere alone', () => {
      cpSync(at('libprobe_base.so.1'), join(directory, 'libprobe_other.so'));
      const other = join(directory, 'libprobe_other.so');
      assert.deepEqual(probed([other]), [`file ${other}`]);
    });

    it('loads an addon of Node.js from a copy', () => {
      cpSync(addonPath('walla'), at('addon.node'));
      const script = `
        const addon = require(${JSON.stringify(at('addon.node'))});
        const maps = require('node:fs').readFileSync('/proc/self/maps', 'utf8');
        console.log(Object.keys(addon).length > 0, maps.includes('/memfd:collfs'));`;
      const { status, stdout, stderr } = collfsRun(abi, [libs], [process.execPath, '-e', script]);
      assert.equal(status, 0, stderr);
      assert.equal(stdout, 'true true\n');
    });

    it('loads the shared file where the copies are gone', () => {
      // The process that holds them is killed, and with it the job; the directory is put back.
      const script = `
        set -e
        link=$(readlink "$COLLFS_STAGE$1")
        cp -a "$COLLFS_STAGE" "$COLLFS_STAGE.kept"
        kill -9 "$(echo "$link" | cut -d/ -f3)"
        while [ -e "$link" ]; do sleep 0.1; done
        COLLFS_STAGE=$COLLFS_STAGE.kept "$2" "$1"
        rm -r "$COLLFS_STAGE.kept"`;
      const words = ['sh', '-c', script, 'sh', at('libprobe_base.so.1'), probe];
      const { stdout, stderr } = collfsRun(abi, [libs], words);
      assert.equal(stdout, `file ${at('libprobe_base.so.1')}\n`, stderr);
    });

    it('does not believe a stage that others can read or write', () => {
      const stage = mkdtempSync(join(tmpdir(), 'walla-stage-'));
      try {
        spawnSync('chmod', ['755', stage]);
        const env = { LD_AUDIT: auditLibrary, COLLFS_STAGE: stage, COLLFS_PATHS: libs };
        const run = () =>
          spawnSync(probe, [at('libprobe_base.so.1')], {
            encoding: 'utf8',
            env: { ...cleanEnvironment(), ...env },
          }).stdout;
        assert.equal(run(), `file ${at('libprobe_base.so.1')}\n`);
        // Its own, it is believed: there is nothing in it.
        spawnSync('chmod', ['700', stage]);
        assert.match(run(), /^error /);
      } finally {
        rmSync(stage, { recursive: true });
      }
    });

    it("ends with the command's exit code and leaves nothing behind", () => {
      assert.equal(collfsRun(abi, [libs], ['sh', '-c', 'exit 7']).status, 7);
      assert.deepEqual(stages(), []);
    });

    it('says why a directory cannot be staged', () => {
      const { status, stderr } = collfsRun(abi, [at('none')], ['true']);
      assert.equal(status, 1);
      assert.match(
        stderr,
        /collfs-stage: \[rank 0@.*\] ERR_COLLFS_STAGING: .*libs\/none: No such file or directory\nhint: /,
      );
      assert.match(stderr, /collfs-run: \[.*\] ERR_COLLFS_STAGING: .* ended with code \d+\nhint: /);
      assert.deepEqual(stages(), []);
    });

    it('says what is wrong with its options', () => {
      const options = collfsRunWords(abi, [libs], ['true']);
      const without = (name: string) => options.toSpliced(options.indexOf(name), 2);
      for (const [words, message] of [
        [without('--nodes'), /no --nodes/],
        [without('--path'), /no --path/],
        [options.slice(0, -1), /no command/],
        [options.toSpliced(1, 0, '--pth', libs), /no option --pth/],
        [options.toSpliced(2, 1, 'lam'), /--mpi is lam/],
        [options.slice(0, 2), /--mpi has no value/],
      ] as const) {
        const [command = '', ...args] = words;
        const { status, stderr } = spawnSync(command, args, { encoding: 'utf8' });
        assert.equal(status, 2, stderr);
        assert.match(stderr, /^collfs-run: \[.*\] ERR_COLLFS_OPTION: .*\nhint: collfs-run --help/);
        assert.match(stderr, message);
      }
    });

    it('says which node has no place for the links', () => {
      const [command = '', ...args] = collfsRunWords(abi, [libs], ['true']);
      const elsewhere = ['--directory', join(directory, 'nowhere'), ...args];
      const { status, stderr } = spawnSync(command, elsewhere, {
        encoding: 'utf8',
        env: cleanEnvironment(),
      });
      assert.equal(status, 1);
      assert.match(
        stderr,
        /collfs-stage: \[rank 0@.*\] ERR_COLLFS_STAGING: mkdir .*nowhere.*: No such.*\nhint: .*--directory/,
      );
    });

    it('leaves nothing behind when it is killed', async () => {
      const [command, ...args] = collfsRunWords(abi, [libs], ['sleep', '2']);
      const child = spawn(command ?? '', args, {
        env: cleanEnvironment(),
        stdio: 'ignore',
        detached: true,
      });
      const until = async (done: () => boolean, what: string) => {
        for (let i = 0; !done(); i++) {
          assert.ok(i < 300, what);
          await sleep(100);
        }
      };
      await until(() => stages().length > 0, 'nothing was staged');
      child.kill('SIGKILL');
      await until(() => stages().length === 0, 'the stage stays');
    });

    it('leaves MPI to the program', { skip: which(`mpicc.${abi}`) === undefined }, () => {
      const program = join(directory, 'probe-mpi');
      build(`mpicc.${abi}`, '-DPROBE_MPI', '-o', program, probeSource, '-ldl');
      const launcher = mpis.find((mpi) => mpi.abi === abi);
      const args = abi === 'openmpi' ? ['--allow-run-as-root', '--oversubscribe'] : [];
      const job = [launcher?.command ?? '', ...args, '-n', '3', program, at('libprobe_base.so.1')];
      const { status, stdout, stderr } = collfsRun(abi, [libs], job);
      assert.equal(status, 0, stderr);
      const lines = linesOf(stdout).sort();
      const three = (line: string) => [line, line, line];
      assert.deepEqual(lines, [...three('MPI of 3'), ...three(`copy ${at('libprobe_base.so.1')}`)]);
    });
  });
}
