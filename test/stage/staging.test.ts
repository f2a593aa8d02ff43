import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import {
  chmodSync,
  copyFileSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { nodeVersions } from '../node-versions/index.ts';
import {
  Application,
  cli,
  leftBehind,
  mpis,
  type Outcome,
  packProgram,
  runNode,
  runStaged,
} from '../run-node.ts';

const PROGRAM = `
import { createRequire } from 'node:module';
import { value } from './lib.mjs';
import dep from 'dep';
const require = createRequire(import.meta.url);
let optional = 'there';
try { require('absent-optional'); } catch (error) { optional = error.code; }
console.log(JSON.stringify({ value, dep, optional, url: import.meta.url, main: process.argv[1] }));
`;

const FILES = {
  'app.mjs': PROGRAM,
  'main.cjs': `const dep = require('dep'); console.log(JSON.stringify({ dep, file: __filename, id: require.main === module }));`,
  'lib.mjs': `export const value = 42;\n`,
  'package.json': `{"name":"app","version":"1.0.0"}`,
  'node_modules/dep/package.json': `{"name":"dep","main":"./lib/index.js"}`,
  'node_modules/dep/lib/index.js': `module.exports = 'dep of ' + __filename;\n`,
};

/** Each way to start: alone, and as three ranks under each MPI that is here. */
const launches = [{ name: 'alone', ranks: 1, skip: false as string | false, options: {} }].concat(
  mpis.map((mpi) => ({
    name: `as 3 ranks of ${mpi.abi}`,
    ranks: 3,
    skip: mpi.skip,
    options: { mpi, ranks: 3 },
  })),
);

describe('staging', () => {
  let app: Application;
  let base: string;
  let archive: string;

  before(() => {
    app = new Application(FILES);
    base = mkdtempSync(join(tmpdir(), 'walla-base-'));
    archive = join(app.root, 'app.walla');
    packProgram(app.path('app.mjs'), archive);
  });
  after(() => {
    app.remove();
    rmSync(base, { recursive: true });
  });

  const env = (extra: NodeJS.ProcessEnv = {}): NodeJS.ProcessEnv => ({
    WALLA_DIR: base,
    WALLA_ARCHIVE: archive,
    ...extra,
  });

  for (const { name, ranks, skip, options } of launches) {
    const staged = (entry: string, extra: NodeJS.ProcessEnv = {}): Outcome =>
      runStaged([app.path(entry)], { ...options, env: env(extra) });

    describe(name, { skip }, () => {
      test('a packed program prints what it prints plainly, on every rank, and leaves nothing', () => {
        const plain = runNode([app.path('app.mjs')]);
        const { status, stdout, stderr } = staged('app.mjs');
        assert.equal(stderr, '');
        assert.equal(stdout, plain.stdout.repeat(ranks));
        assert.equal(status, 0);
        assert.deepEqual(leftBehind(base), []);
      });

      test('a program is packed on the fly, then found in the cache', () => {
        const fresh = new Application(FILES);
        try {
          const extra = { WALLA_ARCHIVE: undefined, WALLA_VERBOSE: '1' };
          const first = runStaged([fresh.path('main.cjs')], { ...options, env: env(extra) });
          const second = runStaged([fresh.path('main.cjs')], { ...options, env: env(extra) });
          assert.match(first.stderr, /packed just now/);
          assert.doesNotMatch(second.stderr, /packed just now/);
          assert.equal(first.stdout, second.stdout);
          assert.equal(first.stdout, runNode([fresh.path('main.cjs')]).stdout.repeat(ranks));
          // An edit in node_modules is noticed.
          fresh.write('node_modules/dep/lib/index.js', `module.exports = 'edited';\n`);
          const third = runStaged([fresh.path('main.cjs')], { ...options, env: env(extra) });
          assert.match(third.stderr, /packed just now/);
          assert.match(third.stdout, /edited/);
        } finally {
          fresh.remove();
        }
      });

      const refusals: [string, RegExp, () => NodeJS.ProcessEnv, string?][] = [
        [
          'a missing archive',
          /ERR_WALLA_ARCHIVE_MISSING: .*nothing\.walla.*\nhint: /,
          () => ({ WALLA_ARCHIVE: join(base, 'nothing.walla') }),
        ],
        [
          'a file that is no archive',
          /ERR_WALLA_ARCHIVE_FORMAT: /,
          () => ({ WALLA_ARCHIVE: app.path('lib.mjs') }),
        ],
        [
          'a directory as archive',
          /ERR_WALLA_(ARCHIVE_FORMAT|UNREADABLE): /,
          () => ({ WALLA_ARCHIVE: base }),
        ],
        [
          'a truncated archive',
          /ERR_WALLA_ARCHIVE_DAMAGED: /,
          () => ({ WALLA_ARCHIVE: damaged('short', (path) => truncateSync(path, 3000)) }),
        ],
        [
          'an archive with a changed byte',
          /ERR_WALLA_ARCHIVE_DAMAGED: /,
          () => ({ WALLA_ARCHIVE: damaged('flipped', flipLastContent) }),
        ],
        [
          'an archive of another platform',
          /ERR_WALLA_PLATFORM: .* was packed for sunos x64, this is linux x64/,
          () => ({ WALLA_ARCHIVE: damaged('platform', claimOtherPlatform) }),
        ],
        [
          'a program that the archive lacks',
          /ERR_WALLA_NOT_PACKED: .*main\.cjs/,
          () => ({}),
          'main.cjs',
        ],
        [
          'a misspelt variable',
          /ERR_WALLA_OPTION: .*did you mean "WALLA_ARCHIVE"/,
          () => ({ WALLA_ARCHIV: 'x' }),
        ],
        [
          'a wrong value',
          /ERR_WALLA_OPTION: WALLA_STALE .*did you mean "use"/,
          () => ({ WALLA_STALE: 'uses' }),
        ],
        [
          'a staging directory that is not there',
          /ERR_WALLA_STAGING_DIRECTORY: .*none \(ENOENT\)/,
          () => ({ WALLA_DIR: join(base, 'none') }),
        ],
        [
          'a staging directory that is a file',
          /ERR_WALLA_STAGING_DIRECTORY: .*lib\.mjs \(no directory\)/,
          () => ({ WALLA_DIR: app.path('lib.mjs') }),
        ],
      ];
      for (const [what, message, extra, entry] of refusals) {
        test(`refuses ${what} once, with a code and a hint, and ends`, () => {
          const { status, signal, stdout, stderr } = staged(entry ?? 'app.mjs', extra());
          assert.match(stderr, message);
          assert.equal(stderr.match(/ERR_WALLA_/g)?.length, 1, stderr);
          assert.match(stderr, /\nhint: /);
          assert.equal(signal, null);
          assert.notEqual(status, 0);
          assert.equal(stdout, '');
          assert.deepEqual(leftBehind(base), []);
        });
      }

      test('refuses an archive whose source tree changed, unless told to use it', () => {
        const path = app.path('lib.mjs');
        const before = readFileSync(path, 'utf8');
        const copy = new Application(FILES);
        try {
          const named = copy.path('named.walla');
          packProgram(copy.path('app.mjs'), named);
          copy.write('lib.mjs', before.replace('42', '43'));
          const run = (stale: string): Outcome =>
            runStaged([copy.path('app.mjs')], {
              ...options,
              env: env({ WALLA_ARCHIVE: named, WALLA_STALE: stale }),
            });
          const refused = run('check');
          assert.match(refused.stderr, /ERR_WALLA_STALE: .*lib\.mjs was changed/);
          assert.notEqual(refused.status, 0);
          const used = run('use');
          assert.equal(used.status, 0);
          assert.match(used.stdout, /"value":42/);
        } finally {
          copy.remove();
        }
      });

      test('a failure runs the program unstaged when asked to fall back, saying so once', () => {
        const { status, stdout, stderr } = staged('app.mjs', {
          WALLA_ARCHIVE: join(base, 'no'),
          WALLA_ON_ERROR: 'fallback',
        });
        assert.equal(stderr.match(/ERR_WALLA_/g)?.length, 1);
        assert.match(stderr, /running unstaged/);
        assert.equal(stdout, runNode([app.path('app.mjs')]).stdout.repeat(ranks));
        assert.equal(status, 0);
      });
    });
  }

  function damaged(name: string, damage: (path: string) => void): string {
    const path = join(app.root, `${name}.walla`);
    copyFileSync(archive, path);
    chmodSync(path, 0o600);
    damage(path);
    return path;
  }

  function flipLastContent(path: string): void {
    const bytes = readFileSync(path);
    const at = bytes.lastIndexOf('export const value');
    bytes[at] = (bytes[at] ?? 0) ^ 1;
    writeFileSync(path, bytes);
  }

  /** A whole archive that says it is for another system: its manifest has the right digest of itself. */
  function claimOtherPlatform(path: string): void {
    const bytes = readFileSync(path);
    const member = bytes.subarray(512, 512 + parseInt(bytes.toString('latin1', 124, 136), 8));
    member.write('"sunos"', member.indexOf('"linux"'));
    const digestAt = member.lastIndexOf('"sha256": "') + '"sha256": "'.length;
    member.write('0'.repeat(64), digestAt);
    member.write(createHash('sha256').update(member).digest('hex'), digestAt);
    writeFileSync(path, bytes);
  }
});

describe('a program on other Node.js versions', () => {
  const app = new Application(FILES);
  const base = mkdtempSync(join(tmpdir(), 'walla-base-'));
  after(() => {
    app.remove();
    rmSync(base, { recursive: true });
  });

  for (const { major, path: node } of nodeVersions) {
    for (const entry of ['app.mjs', 'main.cjs']) {
      for (const flag of ['--import', '-r']) {
        test(`Node.js ${major} with ${flag} runs ${entry} as it does plainly`, () => {
          const archive = join(base, `${entry}-${major}.walla`);
          packProgram(app.path(entry), archive, { node });
          const env = { WALLA_DIR: base, WALLA_ARCHIVE: archive };
          const plain = runNode([app.path(entry)], { node });
          const staged = runNode([flag, join(cli, '../stage.cjs'), app.path(entry)], { node, env });
          assert.equal(staged.stderr, plain.stderr);
          assert.equal(staged.stdout, plain.stdout);
          assert.equal(staged.status, 0);
          assert.deepEqual(leftBehind(base), []);
        });
      }
    }
  }
});
