/**
 * Other users of a node, who can make any name in /dev/shm before walla does. What they plant is never
 * read, followed, trusted, waited for or removed; what walla makes is closed to them.
 */
import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  existsSync,
  lchownSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { after, afterEach, before, beforeEach, describe, test } from 'node:test';
import { readManifest } from '../../stage/pack/archive-reader.ts';
import { cleanEnvironment, cli, type Outcome, packProgram, preload, run } from '../run-node.ts';
import { NEIGHBOUR, USER, whyNotTwoUsers } from './two-users.ts';

const FILES = {
  'app.mjs': `import './lib.mjs'; import 'dep'; console.log('ran');`,
  'lib.mjs': '',
  'node_modules/dep/package.json': '{"main":"main.cjs"}',
  'node_modules/dep/main.cjs': `try { require('./dep.node') } catch {}`,
  'node_modules/dep/dep.node': '\x7fELF, or so it says',
  'waits.mjs': `import fs from 'node:fs'; import { spawnSync } from 'node:child_process';
    fs.writeSync(1, 'waits\\n'); fs.readSync(0, Buffer.alloc(1));
    const child = spawnSync(process.execPath, [new URL('./child.cjs', import.meta.url).pathname], { encoding: 'utf8' });
    console.log(child.stdout + child.stderr); await import('./late.mjs');`,
  'child.cjs': `console.log('child ran, ' + __filename.split('/').pop())`,
  'late.mjs': `console.log('late ran')`,
};

describe('other users of a node', { skip: whyNotTwoUsers() }, () => {
  let top: string;
  let base: string;
  let archive: string;
  let identity: string;

  before(async () => {
    // Open to both users: the usual temporary directory may be closed to them.
    top = mkdtempSync('/dev/shm/walla-neighbours-');
    chmodSync(top, 0o755);
    for (const [path, content] of Object.entries(FILES)) {
      mkdirSync(join(top, 'app', path, '..'), { recursive: true });
      writeFileSync(join(top, 'app', path), content);
    }
    archive = join(top, 'app.walla');
    packProgram(join(top, 'app/app.mjs'), archive);
    chmodSync(archive, 0o644);
    identity = (await readManifest(archive)).sha256;
  });
  after(() => {
    rmSync(top, { recursive: true });
  });
  beforeEach(() => {
    base = join(top, 'shm');
    mkdirSync(base);
    chmodSync(base, 0o1777);
  });
  afterEach(() => {
    rmSync(base, { recursive: true });
  });

  const asUser = (uid: number, ...words: string[]): string[] => [
    'setpriv',
    `--reuid=${uid}`,
    `--regid=${uid}`,
    '--clear-groups',
    ...words,
  ];
  function start(env: NodeJS.ProcessEnv = {}, wrapper: string[] = []): Outcome {
    const program = [process.execPath, '-r', preload, join(top, 'app/app.mjs')];
    const words = [...wrapper, ...asUser(USER, ...program)];
    return run(words[0] ?? '', words.slice(1), {
      WALLA_DIR: base,
      WALLA_ARCHIVE: archive,
      HOME: '/',
      ...env,
    });
  }
  const own = () => join(base, `walla-${USER}`);
  const give = (path: string, uid: number) => {
    lchownSync(path, uid, uid);
  };
  const runs = (outcome: Outcome) => {
    assert.deepEqual([outcome.status, outcome.stdout, outcome.stderr], [0, 'ran\n', '']);
  };
  /** Refused at once, with who and what to type. */
  const refused = ({ status, signal, stdout, stderr }: Outcome, told: RegExp) => {
    assert.deepEqual([status, signal, stdout], [1, null, '']);
    assert.match(
      stderr,
      /^walla: ERR_WALLA_STAGING_DIRECTORY: .*\nhint: remove it, .* WALLA_DIR .*\n$/,
    );
    assert.match(stderr, told);
  };
  /** Everything below a path: types, modes, owners, sizes, link texts. */
  const picture = (path: string): string => {
    const { mode, uid, size } = lstatSync(path);
    const text = lstatSync(path).isSymbolicLink() ? readlinkSync(path) : '';
    const below = lstatSync(path).isDirectory()
      ? readdirSync(path).map((name) => `${name}: ${picture(join(path, name))}`)
      : [String(size)];
    return `${mode.toString(8)} ${uid} ${text} (${below.join(', ')})`;
  };

  test('two users stage the same archive side by side, and leave nothing', async () => {
    const one = (uid: number) =>
      new Promise<number | null>((done) => {
        const words = asUser(uid, process.execPath, '-r', preload, join(top, 'app/app.mjs'));
        const env = { ...cleanEnvironment(), WALLA_DIR: base, WALLA_ARCHIVE: archive };
        spawn(words[0] ?? '', words.slice(1), { env, stdio: 'ignore' }).once('exit', done);
      });
    const ends = await Promise.all([USER, NEIGHBOUR, USER, NEIGHBOUR].map(one));
    assert.deepEqual(ends, [0, 0, 0, 0]);
    assert.deepEqual(readdirSync(base), []);
  });

  /** What a neighbour makes where the user's directory is to be. */
  const PLANTS: Record<string, [make: (path: string) => void, told: RegExp]> = {
    'a directory': [(path) => mkdirSync(path, { mode: 0o700 }), /a directory of uid 51002/],
    'a directory that everybody may use': [
      (path) => {
        mkdirSync(path);
        chmodSync(path, 0o777);
      },
      /a directory of uid 51002 with mode 0777/,
    ],
    'a file': [(path) => writeFileSync(path, 'evil'), /a file of uid 51002/],
    'a FIFO': [(path) => execFileSync('mkfifo', [path]), /a FIFO of uid 51002/],
    'a link to a directory of their own': [
      (path) => {
        mkdirSync(join(base, 'trap'));
        give(join(base, 'trap'), NEIGHBOUR);
        symlinkSync('trap', path);
      },
      /a symbolic link of uid 51002/,
    ],
    "a link to a private directory of the user's": [
      (path) => {
        mkdirSync(join(base, 'private'), { mode: 0o700 });
        give(join(base, 'private'), USER);
        symlinkSync('private', path);
      },
      /a symbolic link of uid 51002/,
    ],
    'a link to nowhere': [(path) => symlinkSync('/nowhere', path), /a symbolic link of uid 51002/],
  };
  for (const [what, [make, told]] of Object.entries(PLANTS)) {
    test(`${what} in place of the user's directory is refused and left alone`, () => {
      make(own());
      give(own(), NEIGHBOUR);
      const before = picture(base);
      refused(start(), told);
      const cleaned = run('setpriv', [...asUser(USER, process.execPath, cli, 'clean').slice(1)], {
        WALLA_DIR: base,
      });
      // A link to nowhere is nothing to clean.
      assert.match(cleaned.stderr, /ERR_WALLA_STAGING_DIRECTORY|removed 0 images/);
      assert.doesNotMatch(cleaned.stderr, /ERR_WALLA_INTERNAL/);
      assert.equal(picture(base), before);
      const unstaged = start({ WALLA_ON_ERROR: 'fallback' });
      assert.deepEqual([unstaged.status, unstaged.stdout], [0, 'ran\n']);
      assert.match(unstaged.stderr, /running unstaged/);
      assert.equal(picture(base), before);
    });
  }

  test("the user's own directory that others can use is refused", () => {
    mkdirSync(own());
    give(own(), USER);
    chmodSync(own(), 0o770);
    refused(start(), /walla-51001: it is a directory of uid 51001 with mode 0770/);
  });

  /** Names inside the user's directory: others get there only if it was open to them once. */
  const NAMES = [
    '.gate',
    '.placing',
    'IDENTITY',
    'IDENTITY/lock',
    'IDENTITY/image',
    'IDENTITY/files',
    'IDENTITY/keep',
    'IDENTITY.1.partial',
    'IDENTITY.1.partial/lock',
    'other',
  ];
  const KINDS: Record<string, (path: string) => void> = {
    'a FIFO': (path) => execFileSync('mkfifo', [path]),
    'a link': (path) => symlinkSync(join(top, 'canary'), path),
    'a dangling link': (path) => symlinkSync(join(top, 'made-through-a-link'), path),
    'a file': (path) => writeFileSync(path, 'evil'),
    'a directory': (path) => mkdirSync(path, { mode: 0o700 }),
  };
  for (const [kind, make] of Object.entries(KINDS)) {
    for (const owner of [USER, NEIGHBOUR]) {
      test(`${kind} of ${owner === USER ? 'the user' : 'a neighbour'} at any name inside is not waited for, followed or read`, () => {
        const canary = join(top, 'canary');
        rmSync(canary, { force: true });
        writeFileSync(canary, 'alive');
        chownSync(canary, USER, USER);
        for (const name of NAMES) {
          mkdirSync(own(), { mode: 0o700 });
          give(own(), USER);
          const path = join(own(), name.replace('IDENTITY', identity));
          if (name.includes('/')) {
            const image = join(path, '..');
            mkdirSync(image, { mode: 0o700 });
            give(image, USER);
            if (!name.endsWith('lock')) {
              writeFileSync(join(image, 'lock'), '', { mode: 0o600 });
              give(join(image, 'lock'), USER);
            }
          }
          make(path);
          give(path, owner);
          const { status, signal, stdout, stderr } = start();
          assert.equal(signal, null, name);
          if (status === 0) assert.deepEqual([stdout, stderr], ['ran\n', ''], name);
          else {
            assert.equal(stdout, '', name);
            assert.match(stderr, /^walla: ERR_WALLA_\w+: .*\nhint: /, name);
            assert.doesNotMatch(stderr, /ERR_WALLA_INTERNAL/, name);
          }
          assert.equal(readFileSync(canary, 'utf8'), 'alive');
          assert.ok(!existsSync(join(top, 'made-through-a-link')));
          rmSync(own(), { recursive: true, force: true });
        }
      });
    }
  }

  for (const umask of ['000', '022', '077', '777']) {
    test(`under umask ${umask} directories are 0700, files 0600, and natives 0700`, () => {
      runs(start({ WALLA_KEEP: '1' }, ['bash', '-c', `umask ${umask}; exec "$@"`, 'bash']));
      const seen: string[] = [];
      const walk = (path: string, isNative: boolean): void => {
        for (const name of readdirSync(path)) {
          const child = join(path, name);
          const { mode, uid } = lstatSync(child);
          const expected = lstatSync(child).isDirectory() || isNative ? 0o700 : 0o600;
          assert.equal(mode & 0o7777, expected, child);
          assert.equal(uid, USER);
          seen.push(name);
          if (lstatSync(child).isDirectory()) walk(child, isNative || name === 'files');
        }
      };
      assert.equal(lstatSync(own()).mode & 0o7777, 0o700);
      walk(own(), false);
      for (const name of ['.gate', identity, 'lock', 'image', 'dep.node'])
        assert.ok(seen.includes(name), name);
      // A neighbour can neither list it nor open the image by its path.
      for (const words of [
        ['ls', own()],
        ['cat', join(own(), identity, 'image')],
      ])
        assert.notEqual(run('setpriv', asUser(NEIGHBOUR, ...words).slice(1)).status, 0);
      runs(start());
    });
  }

  test('a base in which others can rename is refused, and says which', () => {
    for (const mode of [0o777, 0o775]) {
      chmodSync(base, mode);
      chownSync(base, 0, NEIGHBOUR);
      const { status, stderr } = start();
      assert.equal(status, 1);
      assert.match(
        stderr,
        /ERR_WALLA_STAGING_DIRECTORY: .* \(others can replace what is in \/dev\/shm\/.*\/shm\)/,
      );
    }
    chmodSync(base, 0o1777);
  });

  test('a directory that is replaced while in use is not trusted, and what took its place stays', async () => {
    const waiting = join(top, 'waiting.walla');
    packProgram(join(top, 'app/waits.mjs'), waiting);
    const words = asUser(USER, process.execPath, '-r', preload, join(top, 'app/waits.mjs'));
    const env = { ...cleanEnvironment(), WALLA_DIR: base, WALLA_ARCHIVE: waiting };
    const child = spawn(words[0] ?? '', words.slice(1), { env, stdio: 'pipe' });
    let output = '';
    child.stderr.on('data', (text: Buffer) => (output += text.toString()));
    await new Promise<void>((ready) =>
      child.stdout.on('data', (text: Buffer) => {
        output += text.toString();
        if (output.includes('waits')) ready();
      }),
    );
    // No neighbour can do this where the sticky bit is; an administrator's script can.
    renameSync(own(), join(base, 'moved'));
    execFileSync('cp', ['-r', join(base, 'moved'), own()]);
    execFileSync('chown', ['-R', `${NEIGHBOUR}:${NEIGHBOUR}`, own()]);
    const before = picture(own());
    const ended = new Promise((done) => child.once('exit', done));
    child.stdin.end('x');
    assert.equal(await ended, 0, output);
    // The child does not take it, and says whose it is; the parent has its image mapped.
    assert.match(output, /ERR_WALLA_STAGING_DIRECTORY: .* a directory of uid 51002/);
    assert.match(output, /late ran/);
    assert.equal(picture(own()), before);
  });
});
