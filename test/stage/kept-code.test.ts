/** The code of walla's own preload: made when a program is packed, taken by the processes of a node. */
import assert from 'node:assert/strict';
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { keptCode } from '../../stage/kept-code.ts';
import { nodeVersions } from '../node-versions/index.ts';
import { Application, packProgram, preload, runNode } from '../run-node.ts';

/** Says whether V8 took code for the preload, and from where in which file walla registers its hooks. */
const SPY = String.raw`
  const vm = require('node:vm');
  const Module = require('node:module');
  const { Script } = vm;
  vm.Script = class extends Script {
    constructor(text, options) {
      super(text, options);
      if (options.filename?.endsWith('stage.cjs'))
        console.log(options.cachedData ? (this.cachedDataRejected ? 'refused' : 'taken') : 'compiled');
    }
  };
  const { registerHooks } = Module;
  Module.registerHooks = function (hooks) {
    console.log(/at (\w+) .*stage\.cjs:(\d+):/.exec(new Error().stack).slice(1).join(' '));
    return registerHooks.call(this, hooks);
  };`;

for (const { major, path: node } of nodeVersions.filter((one) => one.major >= 22))
  describe(`on Node.js ${major}`, () => {
    const app = new Application({ 'app.cjs': '', 'spy.cjs': SPY });
    const base = mkdtempSync(join(tmpdir(), 'walla-base-'));
    const archive = app.path('app.walla');
    packProgram(app.path('app.cjs'), archive, { node });
    const staged = (env: NodeJS.ProcessEnv = {}, ...flags: string[]): string[] => {
      const words = [...flags, '-r', app.path('spy.cjs'), '-r', preload, app.path('app.cjs')];
      const { status, stdout, stderr } = runNode(words, {
        node,
        env: { WALLA_ARCHIVE: archive, WALLA_DIR: base, ...env },
      });
      assert.equal(status, 0, stderr);
      assert.equal(stderr, '');
      return stdout.trim().split('\n');
    };

    test('compiled by the first process, and taken where an image has stayed', () => {
      assert.equal(staged()[0], 'compiled');
      assert.equal(staged({ WALLA_KEEP: '1' })[0], 'compiled');
      assert.equal(staged({ WALLA_KEEP: '1' })[0], 'taken');
    });

    test('compiled where V8 has other flags, or the user wants no such thing', () => {
      assert.equal(staged({ WALLA_KEEP: '1' }, '--no-lazy')[0], 'refused');
      const env = { WALLA_KEEP: '1', NODE_DISABLE_COMPILE_CACHE: '1' };
      assert.equal(staged(env)[0], 'compiled');
    });

    test('V8 names lines of the file', () => {
      const [name = '', line] = (staged()[1] ?? '').split(' ');
      const lines = readFileSync(preload, 'utf8').split('\n');
      const before = lines.slice(0, Number(line)).join('\n');
      assert.match(lines[Number(line) - 1] ?? '', /registerHooks/);
      assert.equal(
        before.match(/function \w+(?=\()/g)?.findLast((found) => found.endsWith(name)),
        `function ${name}`,
      );
      rmSync(base, { recursive: true });
      app.remove();
    });
  });

describe('the code of a text', () => {
  const base = mkdtempSync(join(tmpdir(), 'walla-base-'));
  const user = join(base, `walla-${process.geteuid?.()}`);
  const caches = join(user, '0'.repeat(64), 'code-cache');
  const here = join(caches, `${process.version}-${process.arch}-12345678-0`);
  mkdirSync(here, { recursive: true, mode: 0o700 });
  mkdirSync(join(caches, `v1.0.0-${process.arch}-12345678-0`));
  writeFileSync(join(caches, `v1.0.0-${process.arch}-12345678-0`, 'other'), 'code');
  writeFileSync(join(here, 'name'), 'code');
  const found = (name: string, env: NodeJS.ProcessEnv = {}): string | undefined => {
    const before = { ...process.env };
    Object.assign(process.env, { WALLA_DIR: base, ...env });
    try {
      return keptCode(name)?.toString();
    } finally {
      process.env = before;
    }
  };

  test('is found by its name, and for this version of Node.js alone', () => {
    assert.equal(found('name'), 'code');
    assert.equal(found('other'), undefined);
    assert.equal(found('name', { WALLA_DIR: join(base, 'nowhere') }), undefined);
    assert.equal(found('name', { NODE_DISABLE_COMPILE_CACHE: '1' }), undefined);
  });

  test('is not taken where others could have put it', () => {
    for (const mode of [0o710, 0o701, 0o755, 0o777]) {
      chmodSync(user, mode);
      assert.equal(found('name'), undefined, mode.toString(8));
    }
    chmodSync(user, 0o700);
    assert.equal(found('name'), 'code');
    const linked = join(base, 'linked');
    mkdirSync(linked);
    symlinkSync(user, join(linked, `walla-${process.geteuid?.()}`));
    assert.equal(found('name', { WALLA_DIR: linked }), undefined);
    rmSync(base, { recursive: true });
  });
});
