import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { measureStats } from '../../stage/doctor/application.ts';
import type { Check } from '../../stage/doctor/check.ts';
import { fileSystemOf } from '../../stage/doctor/file-system.ts';
import { checkLibraries, type MpiLibrary } from '../../stage/doctor/mpi.ts';
import { checkNamespaces } from '../../stage/doctor/namespaces.ts';
import { checkNode } from '../../stage/doctor/runtime.ts';
import { checkMemoryLimit } from '../../stage/doctor/staging.ts';
import { Application, cli, packProgram, run } from '../run-node.ts';

/** Without MPI's launchers, which take their time: what is asked of them is tested alone. */
const bare = (extra: NodeJS.ProcessEnv = {}) => ({ PATH: '/nowhere', ...extra });

describe('walla doctor', () => {
  let app: Application;
  const walla = (args: string[], env: NodeJS.ProcessEnv = {}) =>
    run(process.execPath, [cli, 'doctor', ...args], bare(env));
  const findings = (args: string[], env: NodeJS.ProcessEnv = {}) => {
    const { status, stdout } = walla(['--json', ...args], env);
    const { ok, checks } = JSON.parse(stdout) as { ok: boolean; checks: Check[] };
    assert.equal(status, ok ? 0 : 1);
    return { ok, of: (name: string) => checks.find((check) => check.name === name), checks };
  };

  before(() => {
    app = new Application({ 'app.mjs': `import './lib.mjs';`, 'lib.mjs': '' });
  });
  after(() => app.remove());

  test('looks at everything, each with a status, and what to type where something is wrong', () => {
    const { ok, checks } = findings([app.path('app.mjs')]);
    assert.ok(ok, JSON.stringify(checks));
    const names = checks.map(({ name }) => name);
    for (const name of [
      'Node.js',
      'native core',
      'variables',
      'MPI libraries',
      'launchers',
      'staging directory',
      'memory limit',
      'namespaces',
      'archive',
      'application directory',
    ])
      assert.ok(names.includes(name), name);
    for (const { status, found, hint, name } of checks) {
      assert.notEqual(found, '', name);
      if (status !== 'ok') assert.ok(hint, name);
    }
    const { stdout, stderr } = walla([app.path('app.mjs')]);
    assert.equal(stderr, '');
    assert.match(stdout, /^ok {4}Node\.js: v\d+/m);
    assert.match(stdout, /^ok {4}application directory: .* us for one lstat/m);
    assert.equal(walla(['-q', app.path('app.mjs')]).stdout, '');
  });

  test('follows an archive from none through current to out of date', () => {
    const entry = app.path('app.mjs');
    assert.match(findings([entry]).of('archive')?.found ?? '', /none yet: the first job packs it/);
    run(process.execPath, [cli, 'pack', '-q', entry]);
    assert.match(findings([entry]).of('archive')?.found ?? '', /fits the tree/);
    const named = app.path('.walla/named.walla');
    packProgram(entry, named);
    app.write('lib.mjs', 'changed');
    const cached = findings([entry]);
    assert.deepEqual([cached.ok, cached.of('archive')?.status], [true, 'warns']);
    assert.match(cached.of('archive')?.found ?? '', /lib\.mjs was changed.*packs again/);
    const refused = findings([entry], { WALLA_ARCHIVE: named });
    assert.deepEqual([refused.ok, refused.of('archive')?.status], [false, 'stops']);
    assert.match(refused.of('archive')?.hint ?? '', /walla pack .* -o /);
    const told = walla(['-q', entry], { WALLA_ARCHIVE: named });
    assert.equal(told.status, 1);
    assert.match(
      told.stdout,
      /^STOPS archive: .* is out of date: lib\.mjs was changed\n {6}hint: /,
    );
  });

  test('stops at a misspelt variable, an archive that is not there, and no staging directory', () => {
    assert.match(
      findings([], { WALLA_KEPT: '1' }).of('variables')?.found ?? '',
      /did you mean "WALLA_KEEP"/,
    );
    const missing = findings([], { WALLA_ARCHIVE: '/nowhere.walla' });
    assert.deepEqual([missing.ok, missing.of('archive')?.status], [false, 'stops']);
    const nowhere = findings([], { WALLA_DIR: '/nowhere' });
    assert.match(nowhere.of('staging directory')?.found ?? '', /no node-local directory/);
  });

  test('shows no password of a URL', () => {
    const { stdout } = walla(['--json'], {
      WALLA_ARCHIVE: 'http://user:secret@127.0.0.1:9/app.walla',
      WALLA_HTTP_TIMEOUT: '1',
    });
    assert.doesNotMatch(stdout, /secret/);
  });

  test('a program that is not there is an error', () => {
    const { status, stderr } = walla(['/nowhere.mjs']);
    assert.equal(status, 1);
    assert.match(stderr, /ERR_WALLA_NO_ENTRY/);
  });
});

describe('what the doctor knows', () => {
  test('Node.js before 20.20 stops a job', () => {
    assert.equal(checkNode('20.19.4').status, 'stops');
    assert.equal(checkNode('18.20.0').status, 'stops');
    assert.equal(checkNode('20.20.0').status, 'ok');
    assert.equal(checkNode('26.1.0').status, 'ok');
  });

  test('without any MPI a job runs, but each node reads the archive', () => {
    const none: MpiLibrary[] = (['openmpi', 'mpich'] as const).map((abi) => ({
      abi,
      built: false,
      library: undefined,
      problem: 'not built',
    }));
    const check = checkLibraries(none);
    assert.equal(check.status, 'warns');
    assert.match(check.hint ?? '', /libopenmpi-dev or libmpich-dev/);
  });

  test('a control group too small for the archive stops a job, with the numbers', () => {
    const room = {
      group: '/sys/fs/cgroup/job',
      limitBytes: 2 ** 30,
      usedBytes: 2 ** 29,
      freeBytes: 2 ** 29,
    };
    assert.equal(checkMemoryLimit(2 ** 28, room).status, 'ok');
    const check = checkMemoryLimit(2 ** 30, room);
    assert.equal(check.status, 'stops');
    assert.match(check.found, /leaves 512\.0 MiB of 1\.0 GiB; the archive needs 1\.0 GiB/);
  });

  test('namespaces other than the machine’s are named', () => {
    const proc = mkdtempSync(join(tmpdir(), 'walla-proc-'));
    try {
      mkdirSync(join(proc, 'ns'));
      for (const [kind, number] of [
        ['pid', '4026532999'],
        ['user', '4026531837'],
        ['ipc', '4026531839'],
      ] as const)
        symlinkSync(`${kind}:[${number}]`, join(proc, 'ns', kind));
      const check = checkNamespaces(proc);
      assert.equal(check.status, 'warns');
      assert.match(check.found, /its own pid;/);
    } finally {
      rmSync(proc, { recursive: true });
    }
  });

  test('file systems are named, and lstat is measured on names that are there', () => {
    assert.equal(fileSystemOf('/proc').type, '0x9fa0');
    const app = new Application({ 'a/b/c.txt': '', 'd.txt': '' });
    writeFileSync(app.path('e'), '');
    try {
      const { names, firstUs, againUs } = measureStats(app.root);
      assert.equal(names, 5);
      assert.ok(firstUs > 0 && againUs > 0);
    } finally {
      app.remove();
    }
  });
});
