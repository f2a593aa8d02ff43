/** Another user of the node plants and changes what `walla run` prestages. None of it is ever loaded. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  lchownSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { after, afterEach, before, beforeEach, describe, test } from 'node:test';
import { guardedPreload } from '../../stage/guarded-preload.ts';
import { cli, type Outcome, packageRoot, packProgram, run } from '../run-node.ts';
import { NEIGHBOUR, USER, whyNotTwoUsers } from '../neighbours/two-users.ts';

const COPY = `walla-${'0'.repeat(64)}`;

describe('prestaging among hostile neighbours', { skip: whyNotTwoUsers() }, () => {
  let top: string;
  let base: string;
  let archive: string;

  before(() => {
    // Open to both users: the usual temporary directory may be closed to them.
    top = mkdtempSync('/dev/shm/walla-hostile-');
    chmodSync(top, 0o755);
    mkdirSync(join(top, 'app'));
    writeFileSync(join(top, 'app/app.mjs'), `console.log('ran');`);
    archive = join(top, 'app.walla');
    packProgram(join(top, 'app/app.mjs'), archive);
    chmodSync(archive, 0o644);
  });
  after(() => rmSync(top, { recursive: true }));
  beforeEach(() => {
    base = join(top, 'shm');
    mkdirSync(base);
    chmodSync(base, 0o1777);
  });
  afterEach(() => rmSync(base, { recursive: true }));

  const own = () => join(base, `walla-${USER}`);
  const asUser = (words: string[], env: NodeJS.ProcessEnv = {}): Outcome =>
    run(
      'setpriv',
      [`--reuid=${USER}`, `--regid=${USER}`, '--clear-groups', process.execPath, ...words],
      { WALLA_DIR: base, WALLA_ARCHIVE: archive, HOME: '/', ...env },
    );
  const start = (...options: string[]) =>
    asUser([cli, 'run', '-q', ...options, '--', process.execPath, join(top, 'app/app.mjs')]);
  const give = (uid: number, ...paths: string[]) => {
    for (const path of paths) lchownSync(path, uid, uid);
  };

  const PLANTS: Record<string, (path: string) => void> = {
    'a directory': (path) => mkdirSync(path, { mode: 0o700 }),
    'a file': (path) => writeFileSync(path, ''),
    'a FIFO': (path) => execFileSync('mkfifo', [path]),
    'a link to a directory of their own': (path) => {
      mkdirSync(join(base, 'trap'));
      give(NEIGHBOUR, join(base, 'trap'));
      symlinkSync('trap', path);
    },
  };
  for (const [what, plant] of Object.entries(PLANTS))
    test(`${what} in place of the user's directory stops the run, or it runs unstaged`, () => {
      plant(own());
      give(NEIGHBOUR, own());
      const stopped = start();
      assert.deepEqual([stopped.status, stopped.stdout], [1, '']);
      assert.match(
        stopped.stderr,
        /^walla: ERR_WALLA_STAGING_DIRECTORY: .* of uid 51002 .*\nhint: .*\n$/,
      );
      const unstaged = start('--on-error=fallback');
      assert.deepEqual([unstaged.status, unstaged.stdout], [0, 'ran\n']);
      assert.equal(lstatSync(own()).uid, NEIGHBOUR);
    });

  /** A copy of walla as it would have to be for ranks to load it, but by somebody who means harm. */
  const forge = (): { file: string; directories: string[] } => {
    const directories = [own(), join(own(), COPY), join(own(), COPY, 'dist')];
    for (const directory of directories) mkdirSync(directory, { mode: 0o700 });
    const file = join(own(), COPY, 'dist/stage.cjs');
    writeFileSync(file, `console.log('EVIL');`, { mode: 0o600 });
    give(USER, file, ...directories);
    return { file, directories };
  };
  /** What a rank does on a node where this copy is, without staging: what it printed. */
  const rank = (): string => {
    const guard = guardedPreload([join(own(), COPY)], packageRoot);
    const { status, stdout, stderr } = asUser(['--import', guard, join(top, 'app/app.mjs')], {
      WALLA: 'off',
    });
    assert.deepEqual([status, stderr], [0, '']);
    return stdout;
  };

  test('a rank loads a copy that only its own user can have made', () => {
    forge();
    assert.equal(rank(), 'EVIL\nran\n');
  });

  const CHANGES: Record<string, (made: ReturnType<typeof forge>) => void> = {
    'the copy is a neighbour’s': ({ file, directories }) => give(NEIGHBOUR, file, ...directories),
    'the file is a neighbour’s': ({ file }) => give(NEIGHBOUR, file),
    'the file can be written by others': ({ file }) => chmodSync(file, 0o606),
    'the file can be read by others': ({ file }) => chmodSync(file, 0o640),
    'its directory is a neighbour’s': ({ directories }) => give(NEIGHBOUR, directories[2] ?? ''),
    'its directory can be written by others': ({ directories }) =>
      chmodSync(directories[1] ?? '', 0o733),
    'the user’s directory is open to others': ({ directories }) =>
      chmodSync(directories[0] ?? '', 0o755),
    'the user’s directory is a link': () => {
      renameSync(own(), join(base, 'moved'));
      symlinkSync('moved', own());
    },
    'the copy is a link': () => {
      renameSync(join(own(), COPY), join(own(), 'moved'));
      symlinkSync('moved', join(own(), COPY));
    },
    'the file is a link': ({ file }) => {
      renameSync(file, `${file}.moved`);
      symlinkSync('stage.cjs.moved', file);
    },
    'others can rename in the base': () => chmodSync(base, 0o777),
    'the base is a neighbour’s': () => chownSync(base, NEIGHBOUR, NEIGHBOUR),
  };
  for (const [what, change] of Object.entries(CHANGES))
    test(`a rank loads walla from where it is installed when ${what}`, () => {
      change(forge());
      assert.equal(rank(), 'ran\n');
    });

  test('what is prestaged is closed to others, whatever the umask', () => {
    const { status, stderr } = run(
      'setpriv',
      [
        `--reuid=${USER}`,
        `--regid=${USER}`,
        '--clear-groups',
        'bash',
        '-c',
        'umask 000; exec "$@"',
        'bash',
        process.execPath,
        cli,
        'stage',
        '-q',
        archive,
      ],
      { WALLA_DIR: base, HOME: '/' },
    );
    assert.equal(status, 0, stderr);
    const seen: string[] = [];
    const walk = (path: string): void => {
      const stat = lstatSync(path);
      assert.deepEqual([stat.uid, stat.mode & 0o77], [USER, 0], path);
      if (stat.isDirectory()) for (const name of readdirSync(path)) walk(join(path, name));
      else seen.push(path);
    };
    walk(own());
    assert.ok(seen.some((path) => path.endsWith('/dist/stage.cjs')));
    assert.ok(seen.some((path) => path.endsWith('/walla-linux-x64.node')));
  });

  test('a copy that no longer has the bytes its name says is refused', () => {
    const stage = () => asUser([cli, 'stage', '--json', archive]);
    const { copies } = JSON.parse(stage().stdout) as { copies: [string] };
    const file = join(copies[0], 'dist/hooks-thread.mjs');
    chmodSync(file, 0o600);
    writeFileSync(file, 'changed');
    const { status, stderr } = stage();
    assert.equal(status, 1);
    assert.match(
      stderr,
      /ERR_WALLA_STAGING_DIRECTORY: .* does not hold the bytes its name says\nhint: .*walla clean/,
    );
    assert.equal(asUser([cli, 'clean', '-q']).status, 0);
    assert.equal(stage().status, 0);
  });
});
