/**
 * The audit library under sanitizers. Those for addresses and undefined behaviour are in the library itself, in the
 * linker's own namespace: they only have to be told that they come late. The one for threads cannot be there.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';

import { compile, everything, root } from '../collfs/programs.ts';
import { cleanEnvironment, mpis, which } from '../mpi/launch.ts';
import { auditLibrary, collfsRunWords, stageSkip } from './stage.ts';

const here = fileURLToPath(new URL('.', import.meta.url));
const sources = ['audit', 'library_search', 'stage_lookup', 'stage_name'].map((name) =>
  join(root, 'native/src/collfs-shadow', `${name}.cpp`),
);
const FLAGS = ['-std=c++17', '-g', '-O1', '-Wall', '-Wextra', '-Werror', '-fno-exceptions'];

function run(words: string[], env: NodeJS.ProcessEnv) {
  const [command = '', ...args] = words;
  return spawnSync(command, args, {
    encoding: 'utf8',
    env: { ...cleanEnvironment(), ...env },
    timeout: 120_000,
  });
}

const missing = which('g++') === undefined && 'g++ is not installed';

describe('libcollfs-audit under sanitizers', { skip: missing }, () => {
  let directory: string;
  const at = (name: string) => join(directory, name);
  before(() => {
    directory = mkdtempSync(join(tmpdir(), 'walla-audit-'));
  });
  after(() => rmSync(directory, { recursive: true }));

  describe('for addresses and undefined behaviour', () => {
    let libraries: string[];
    before(() => {
      compile('g++', [
        ...[...FLAGS, '-shared', '-fPIC', '-fvisibility=hidden', '-fno-rtti'],
        ...['-fsanitize=address,undefined', '-fno-sanitize-recover=all'],
        ...[...sources, '-o', at('libcollfs-audit.so')],
      ]);
      compile('gcc', [join(here, 'loads.c'), '-o', at('loads'), '-ldl', '-pthread']);
      mkdirSync(at('libs'));
      writeFileSync(at('one.c'), 'int one(void) { return 1; }');
      compile('gcc', [join(here, 'probe.c'), '-o', at('probe'), '-ldl']);
      libraries = [1, 2, 3].map((number) => at(`libs/libprobe_${number}.so`));
      for (const library of libraries) compile('gcc', ['-shared', at('one.c'), '-o', library]);
    });

    mpis.forEach(({ abi }, position) => {
      const later = position > 0 && !everything && 'from one stage; WALLA_TEST_COLLFS=all for both';
      it(`loads by path and by name on several threads, from a stage by ${abi}`, (test) => {
        const reason = stageSkip(abi) || later;
        if (reason !== false) return test.skip(reason);
        const names = [...libraries, 'libprobe_1.so', at('libs/../libs/libprobe_2.so')];
        const both = ['sh', '-c', '"$0" "$@" && exec "${0%probe}loads" "$@"', at('probe')];
        const [, ...args] = collfsRunWords(abi, [at('libs')], [...both, ...names]);
        // The same, beside the sanitized library.
        for (const name of ['collfs-run', `collfs-stage-${abi}`]) {
          copyFileSync(join(dirname(auditLibrary), name), at(name));
        }
        symlinkSync(join(dirname(auditLibrary), `libcollfs-${abi}.so`), at(`libcollfs-${abi}.so`));
        const { status, stdout, stderr } = run([at('collfs-run'), ...args], {
          LD_LIBRARY_PATH: at('libs'),
          // The library's own copy of the sanitizer comes after the program's first libraries.
          ASAN_OPTIONS: 'verify_asan_link_order=0:detect_leaks=0',
        });
        assert.equal(status, 0, stdout + stderr);
        assert.equal(stdout, [...libraries.map((each) => `copy ${each}`), 'ok', ''].join('\n'));
        assert.doesNotMatch(stderr, /Sanitizer|runtime error/);
      });
    });
  });

  const skip = which('setarch') === undefined && 'setarch is not installed';
  it('for threads: what is kept between calls is under the linker’s lock', { skip }, () => {
    compile('g++', [
      ...[...FLAGS.filter((flag) => flag !== '-fno-exceptions'), '-fsanitize=thread', '-pthread'],
      ...[...sources, join(here, 'audit_test.cpp'), '-o', at('audit_test'), '-ldl'],
    ]);
    const test = (...more: string[]) => {
      const stage = mkdtempSync(at('stage-'));
      // The sanitizer's fixed addresses do not go with all kinds of address randomization.
      return run(['setarch', '-R', at('audit_test'), stage, ...more], {});
    };
    const locked = test();
    assert.equal(locked.status, 0, locked.stdout + locked.stderr);
    assert.equal(locked.stdout, 'ok\n');
    const unlocked = test('unlocked');
    assert.notEqual(unlocked.status, 0);
    assert.match(unlocked.stderr, /ThreadSanitizer: data race/);
  });
});
