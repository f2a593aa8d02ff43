/**
 * Random damage to a real archive: flips, cuts, additions, copies. One that is not signed again must be
 * refused, or be none; one that is signed again may be refused, miss, or serve what lies inside the
 * archive. `npm test` runs a share; `npm run fuzz` the whole number (WALLA_TEST_MUTATIONS).
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { WallaError } from '../../stage/errors.ts';
import { readManifest } from '../../stage/pack/archive-reader.ts';
import { verifyArchive } from '../../stage/pack/verify.ts';
import { Application, leftBehind, packageRoot, packProgram, preload, run } from '../run-node.ts';
import { signAgain } from './forge.ts';

const SHARE = 2_000;
const MUTATIONS = Number(process.env['WALLA_TEST_MUTATIONS'] ?? SHARE);
const VERIFIED = Math.ceil(MUTATIONS / 10);
const STAGED = Math.max(30, Math.ceil(MUTATIONS / 66));
const SEED = 20_120_707;

const FILES = {
  'app.mjs': `import 'dep'; try { await import('gone'); } catch {} console.log('ran');`,
  'package.json': '{"name":"app"}',
  'node_modules/dep/package.json': '{"name":"dep","main":"main.cjs"}',
  'node_modules/dep/main.cjs': `try { require('./dep.node') } catch {} require('./${'long-'.repeat(30)}name.cjs')`,
  [`node_modules/dep/${'long-'.repeat(30)}name.cjs`]: '',
  'node_modules/dep/dep.node': '\x7fELF, or so it says',
};

/** A small generator, so that a failure can be repeated. */
function randomNumbers(seed: number): (limit: number) => number {
  let state = seed >>> 0;
  return (limit) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * limit);
  };
}

const KINDS: ((bytes: Buffer, below: (limit: number) => number) => Buffer)[] = [
  function flip(bytes, below) {
    const at = below(bytes.length);
    bytes[at] = (bytes[at] ?? 0) ^ (1 << below(8));
    return bytes;
  },
  function truncate(bytes, below) {
    return bytes.subarray(0, below(bytes.length));
  },
  function extend(bytes, below) {
    return Buffer.concat([bytes, Buffer.alloc(1 + below(2048), below(256))]);
  },
  function duplicate(bytes, below) {
    const at = below(bytes.length / 512) * 512;
    return Buffer.concat([bytes.subarray(0, at + 512), bytes.subarray(at)]);
  },
  function splice(bytes, below) {
    bytes.copyWithin(below(bytes.length), below(bytes.length), below(bytes.length));
    return bytes;
  },
];

describe('a damaged archive', () => {
  let app: Application;
  let archive: string;
  let original: Buffer;
  let base: string;
  before(() => {
    app = new Application(FILES);
    archive = app.path('app.walla');
    packProgram(app.path('app.mjs'), archive);
    original = readFileSync(archive);
    base = mkdtempSync(join(tmpdir(), 'walla-base-'));
  });
  after(() => {
    app.remove();
    rmSync(base, { recursive: true });
  });

  /** Mutation number `i`; odd rounds are signed again. */
  function mutate(i: number): { bytes: Buffer; signed: boolean; name: string } {
    const kind = KINDS[i % KINDS.length] ?? assert.fail();
    const signed = Math.floor(i / KINDS.length) % 2 === 1;
    const bytes = kind(Buffer.from(original), randomNumbers(SEED + i));
    const name = `${kind.name}, ${signed ? 'signed again' : 'as it is'}, number ${i}`;
    return { bytes: signed ? signAgain(bytes) : bytes, signed, name };
  }

  test(`does the native core no harm, under sanitizers (${MUTATIONS} mutations)`, async (context) => {
    const { body } = await readManifest(archive);
    const program = join(packageRoot, 'test/archives/mutate.cpp');
    const { status, stdout, stderr } = spawnSync(
      process.execPath,
      [
        join(packageRoot, 'native/build.mjs'),
        '--program',
        program,
        archive,
        ...[body.offset, MUTATIONS, SEED].map(String),
      ],
      { encoding: 'utf8' },
    );
    assert.equal(status, 0, stderr);
    const counts = JSON.parse(stdout) as Record<string, number>;
    context.diagnostic(stdout.trim());
    assert.equal(counts['mutations'], MUTATIONS);
    assert.equal(counts['failures'], 0);
    // The mutations must get somewhere: not all may fail at the first check.
    for (const outcome of ['refusedByDigest', 'refusedByChecks', 'served'])
      assert.ok((counts[outcome] ?? 0) > MUTATIONS / 50, stdout);
  });

  test(`is refused by verify, or is whole (${VERIFIED} mutations)`, async (context) => {
    const path = join(base, 'mutated');
    const counts = { same: 0, refused: 0, accepted: 0 };
    for (let i = 0; i < VERIFIED; i++) {
      const { bytes, signed, name } = mutate(i);
      writeFileSync(path, bytes);
      try {
        await verifyArchive(path);
      } catch (error) {
        assert.ok(error instanceof WallaError, `${name}: ${String(error)}`);
        assert.match(error.code, /^ERR_WALLA_ARCHIVE_(DAMAGED|FORMAT)$/, name);
        counts.refused += 1;
        continue;
      }
      const same = bytes.equals(original);
      assert.ok(same || signed, `${name} passed`);
      counts[same ? 'same' : 'accepted'] += 1;
    }
    rmSync(path);
    context.diagnostic(JSON.stringify(counts));
  });

  test(`is refused by staging, or runs as it was (${STAGED} mutations)`, (context) => {
    const path = join(base, 'mutated');
    const outside = join(base, 'canary');
    mkdirSync(outside);
    const counts = { same: 0, refused: 0, ran: 0 };
    for (let i = 0; i < STAGED; i++) {
      const { bytes, signed, name } = mutate(i);
      writeFileSync(path, bytes);
      const words = ['-r', preload, app.path('app.mjs')];
      const env = { WALLA_DIR: base, WALLA_ARCHIVE: path, WALLA_STALE: 'use' };
      const { status, signal, stdout, stderr } = run(process.execPath, words, env);
      assert.equal(signal, null, name);
      assert.doesNotMatch(stderr, /ERR_WALLA_INTERNAL/, name);
      if (/^walla: ERR_WALLA_\w+: .*\nhint: /m.test(stderr)) {
        assert.deepEqual([status, stdout], [1, ''], name);
        counts.refused += 1;
      } else if (signed) {
        // Another program by another author: whatever it does is its own.
        counts.ran += 1;
      } else {
        assert.deepEqual([status, stdout, stderr], [0, 'ran\n', ''], name);
        assert.ok(bytes.equals(original), name);
        counts.same += 1;
      }
      assert.deepEqual(leftBehind(base), [], name);
      assert.deepEqual(readdirSync(base).sort(), ['canary', 'mutated'], name);
    }
    rmSync(path);
    rmSync(outside, { recursive: true });
    context.diagnostic(JSON.stringify(counts));
  });
});
