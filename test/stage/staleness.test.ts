/** What makes an archive out of date, what is done about it, and what noticing it costs. */
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import {
  cpSync,
  mkdtempSync,
  renameSync,
  readFileSync,
  readdirSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { which } from '../mpi/launch.ts';
import { addonFile } from '../../native/addon-path.ts';
import { nodeVersions } from '../node-versions/index.ts';
import {
  Application,
  cleanEnvironment,
  mpis,
  type Outcome,
  packProgram,
  preload,
  runNode,
  runStaged,
} from '../run-node.ts';

const FILES = {
  'app.mjs': `import './lib.mjs'; import 'dep'; try { await import('absent'); } catch {}
    console.log('ran');`,
  'lib.mjs': '',
  'notes.txt': 'not part of the program',
  'package.json': '{"name":"app"}',
  'package-lock.json': '{"lockfileVersion":3}',
  'node_modules/.package-lock.json': '{"lockfileVersion":3}',
  'node_modules/dep/package.json': '{"name":"dep","main":"main.js"}',
  'node_modules/dep/main.js': '',
};

/** An edit that leaves no trace in size and modification time: as of `rsync -t`, or a build that sets all times to one. */
function editInSecret(app: Application, name: string, content: string): void {
  const path = app.path(name);
  execFileSync('touch', ['-r', path, app.path('times')]);
  app.write(name, content);
  execFileSync('touch', ['-r', app.path('times'), path]);
}

/** A change to the tree, and what the message says of it; undefined: it must not matter. */
const CHANGES: Record<string, [change: (app: Application) => void, told: RegExp | undefined]> = {
  'an edited file': [(app) => app.write('lib.mjs', '// edited'), /lib\.mjs was changed/],
  'an edit inside node_modules': [
    (app) => app.write('node_modules/dep/main.js', '// edited'),
    /node_modules\/dep\/main\.js was changed/,
  ],
  'an edit that keeps the size': [
    (app) => app.write('package.json', '{"name":"APP"}'),
    /package\.json was changed/,
  ],
  'a file whose modification time alone changed, by a nanosecond or more': [
    (app) => utimesSync(app.path('lib.mjs'), new Date(), new Date()),
    /lib\.mjs was changed/,
  ],
  'an edit that keeps size and modification time': [
    (app) => editInSecret(app, 'node_modules/dep/package.json', '{"name":"dep","main":"MAIN.js"}'),
    /node_modules\/dep\/package\.json was changed/,
  ],
  'a copy of a file, with its times': [
    (app) => {
      const [path, copy] = [app.path('package.json'), app.path('package.copy')];
      cpSync(path, copy, { preserveTimestamps: true });
      execFileSync('touch', ['-r', path, copy]);
      renameSync(copy, path);
    },
    undefined,
  ],
  'a cache that a run of the program has left in a package': [
    (app) => app.write('node_modules/dep/.cache/one', ''),
    undefined,
  ],
  'the same in a node_modules of its own': [
    (app) => app.write('node_modules/dep/node_modules/.cache/one', ''),
    undefined,
  ],
  'a package beside such a cache': [
    (app) => {
      app.write('node_modules/dep/node_modules/.cache/one', '');
      app.write('node_modules/dep/node_modules/inner/index.js', '');
    },
    /node_modules\/dep\/node_modules was added/,
  ],
  'a removed file': [(app) => rmSync(app.path('lib.mjs')), /lib\.mjs was removed/],
  'a file that became a directory': [
    (app) => {
      rmSync(app.path('lib.mjs'));
      app.write('lib.mjs/index.js', '');
    },
    /lib\.mjs was changed/,
  ],
  'an added source file': [(app) => app.write('other.mjs', ''), /other\.mjs was added/],
  'an added package': [
    (app) => app.write('node_modules/absent/index.js', ''),
    /node_modules\/absent was added/,
  ],
  'any added name in a dependency': [
    (app) => app.write('node_modules/dep/README', ''),
    /node_modules\/dep\/README was added/,
  ],
  'an edited lock file': [
    (app) => app.write('package-lock.json', '{"lockfileVersion":2}'),
    /package-lock\.json was changed/,
  ],
  'the lock file that npm keeps in node_modules': [
    (app) => app.write('node_modules/.package-lock.json', '{}'),
    /node_modules\/\.package-lock\.json was changed/,
  ],
  'the lock file of another package manager': [
    (app) => app.write('yarn.lock', ''),
    /yarn\.lock was added/,
  ],
  'a file that is not part of the program': [(app) => app.write('notes.txt', 'edited'), undefined],
  'a new file that nothing can resolve to': [(app) => app.write('results.csv', ''), undefined],
  'a directory whose time changed and whose names did not': [
    (app) => {
      app.write('node_modules/dep/passing', '');
      rmSync(app.path('node_modules/dep/passing'));
    },
    undefined,
  ],
};

/** Changes after which the lock file and package.json files are as they were. */
const UNSEEN_BY_LOCKFILE = ['an edited file', 'an edit inside node_modules', 'a removed file'];
const SEEN_BY_LOCKFILE = [
  'an edit that keeps the size',
  'an edit that keeps size and modification time',
  'an edited lock file',
  'the lock file that npm keeps in node_modules',
];

const base = mkdtempSync(join(tmpdir(), 'walla-base-'));
after(() => {
  rmSync(base, { recursive: true });
});

async function withApp(run: (app: Application, archive: string) => void): Promise<void> {
  const app = new Application(FILES);
  try {
    const archive = join(app.root, 'named.walla');
    packProgram(app.path('app.mjs'), archive);
    // Clocks of file systems are coarse: an edit within a tick of the first would not show.
    await new Promise((tick) => setTimeout(tick, 20));
    run(app, archive);
  } finally {
    app.remove();
  }
}

const start = (app: Application, env: NodeJS.ProcessEnv): Outcome =>
  runStaged([app.path('app.mjs')], { env: { WALLA_DIR: base, ...env } });

const change = (name: string, app: Application): RegExp | undefined => {
  const [edit, told] = CHANGES[name] ?? assert.fail(name);
  edit(app);
  return told;
};

describe('an archive that is named', () => {
  for (const name of Object.keys(CHANGES)) {
    test(`${name}: ${CHANGES[name]?.[1] ? 'refused, saying what differs' : 'runs'}`, () =>
      withApp((app, archive) => {
        const told = change(name, app);
        const { status, stdout, stderr } = start(app, { WALLA_ARCHIVE: archive });
        if (told === undefined) {
          assert.deepEqual([status, stdout, stderr], [0, 'ran\n', '']);
          return;
        }
        assert.match(stderr, /^walla: ERR_WALLA_STALE: .*named\.walla is out of date: /);
        assert.match(stderr, told);
        assert.deepEqual([status, stdout], [1, '']);
      }));
  }

  // The image is found while the tree is compared, so that it is there before the answer is.
  test('is refused although its image is on this node already, or the program runs unstaged', () =>
    withApp((app, archive) => {
      const env = { WALLA_ARCHIVE: archive, WALLA_KEEP: '1', WALLA_DIR: app.path('.') };
      assert.equal(start(app, env).stdout, 'ran\n');
      app.write('lib.mjs', "console.log('edited', process.env.WALLA_ATTACH);");
      const refused = start(app, env);
      assert.match(refused.stderr, /^walla: ERR_WALLA_STALE: .*: lib\.mjs was changed\n/);
      assert.deepEqual([refused.status, refused.stdout], [1, '']);
      const unstaged = start(app, { ...env, WALLA_ON_ERROR: 'fallback' });
      assert.match(unstaged.stderr, /ERR_WALLA_STALE[^]*walla: running unstaged\n$/);
      assert.deepEqual([unstaged.status, unstaged.stdout], [0, 'edited undefined\nran\n']);
    }));

  test('is good for a program that keeps a cache in one of its packages, which it finds again', () =>
    withApp((app) => {
      app.write(
        'node_modules/dep/main.js',
        `const fs = require('node:fs'); const cache = __dirname + '/node_modules/.cache';
        if (fs.existsSync(cache)) console.log(fs.readFileSync(cache + '/found', 'utf8'));
        else { fs.mkdirSync(cache, { recursive: true }); fs.writeFileSync(cache + '/found', 'found'); }`,
      );
      const archive = join(app.root, 'named.walla');
      packProgram(app.path('app.mjs'), archive);
      const first = start(app, { WALLA_ARCHIVE: archive });
      assert.deepEqual([first.status, first.stdout, first.stderr], [0, 'ran\n', '']);
      const second = start(app, { WALLA_ARCHIVE: archive });
      assert.deepEqual([second.status, second.stdout, second.stderr], [0, 'found\nran\n', '']);
    }));

  test('is used in spite of a change with WALLA_STALE=use, which is said in one line', () =>
    withApp((app, archive) => {
      const env = { WALLA_ARCHIVE: archive, WALLA_STALE: 'use' };
      const fresh = start(app, env);
      assert.deepEqual([fresh.status, fresh.stdout, fresh.stderr], [0, 'ran\n', '']);
      app.write('lib.mjs', "console.log('edited');");
      const { status, stdout, stderr } = start(app, env);
      assert.deepEqual([status, stdout], [0, 'ran\n']);
      assert.match(
        stderr,
        /^walla: using .*named\.walla although it is out of date: lib\.mjs was changed\n$/,
      );
    }));

  for (const name of UNSEEN_BY_LOCKFILE) {
    test(`${name}: not looked at with WALLA_STALE=lockfile`, () =>
      withApp((app, archive) => {
        change(name, app);
        const { status, stderr } = start(app, {
          WALLA_ARCHIVE: archive,
          WALLA_STALE: 'lockfile',
          WALLA_VERBOSE: '1',
        });
        assert.equal(status, 0, stderr);
        // package.json twice and the lock files of the application and of node_modules.
        assert.match(stderr, /compared 4 entries with the tree in \d+ ms/);
      }));
  }
  for (const name of SEEN_BY_LOCKFILE) {
    test(`${name}: refused with WALLA_STALE=lockfile`, () =>
      withApp((app, archive) => {
        const told = change(name, app);
        const { status, stderr } = start(app, {
          WALLA_ARCHIVE: archive,
          WALLA_STALE: 'lockfile',
        });
        assert.equal(status, 1);
        assert.match(stderr, told ?? assert.fail());
      }));
  }

  test('is refused under other conditions, and WALLA_STALE=use does not change that', () =>
    withApp((app, archive) => {
      for (const stale of ['check', 'use']) {
        const env = { WALLA_DIR: base, WALLA_ARCHIVE: archive, WALLA_STALE: stale };
        const args = ['--conditions=special', '--import', preload, app.path('app.mjs')];
        const { status, stderr } = runNode(args, { env });
        assert.equal(status, 1);
        assert.match(stderr, /ERR_WALLA_STALE: .*conditions \[\], .* with \[special\]/);
        assert.match(stderr, /hint: pack again/);
      }
    }));

  const other = nodeVersions.find(
    ({ major }) => `${major}` !== process.versions.node.split('.')[0],
  );
  test('is refused by another Node.js', { skip: other ? false : 'no other Node.js here' }, () =>
    withApp((app, archive) => {
      const env = { WALLA_DIR: base, WALLA_ARCHIVE: archive };
      const options = { node: other?.path ?? '', env };
      const { status, stderr } = runStaged([app.path('app.mjs')], options);
      assert.equal(status, 1);
      assert.match(stderr, /ERR_WALLA_STALE: .* packed by Node\.js v\d+.*, this is v\d+/);
    }),
  );
});

describe('the archive beside the entry', () => {
  for (const name of [
    'an edit inside node_modules',
    'an edit that keeps size and modification time',
    'an added source file',
    'an edited lock file',
  ])
    test(`${name}: packed again, then up to date`, async () => {
      const app = new Application(FILES);
      try {
        const env = { WALLA_VERBOSE: '1' };
        assert.match(start(app, env).stderr, /packed just now/);
        await new Promise((tick) => setTimeout(tick, 20));
        change(name, app);
        assert.match(start(app, env).stderr, /packed just now/);
        assert.doesNotMatch(start(app, env).stderr, /packed just now/);
      } finally {
        app.remove();
      }
    });

  test('is packed again when it was damaged, not called up to date', () => {
    const app = new Application(FILES);
    try {
      assert.equal(start(app, {}).status, 0);
      const name = readdirSync(app.path('.walla')).find((file) => file.endsWith('.walla')) ?? '';
      const file = app.path(`.walla/${name}`);
      const bytes = readFileSync(file);
      const at = bytes.lastIndexOf("console.log('ran')");
      bytes.write("console.log('bad')", at);
      writeFileSync(file, bytes);
      assert.match(start(app, {}).stderr, /ERR_WALLA_ARCHIVE_DAMAGED: .*\nhint: .*pack again/);
      packProgram(app.path('app.mjs'), file);
      assert.equal(start(app, {}).stdout, 'ran\n');
    } finally {
      app.remove();
    }
  });
});

test('an archive packed with --preserve-symlinks is up to date until what a link leads to changes', async () => {
  const app = new Application({
    ...FILES,
    'store/real/package.json': '{"name":"linked","main":"main.js"}',
    'store/real/main.js': '',
    'app.mjs': `import 'linked'; console.log('ran');`,
  });
  symlinkSync('../store/real', app.path('node_modules/linked'));
  try {
    const archive = app.path('named.walla');
    const env = {
      WALLA_DIR: base,
      WALLA_ARCHIVE: archive,
      NODE_OPTIONS: '--preserve-symlinks',
    };
    packProgram(app.path('app.mjs'), archive, { env });
    await new Promise((tick) => setTimeout(tick, 20));
    const fresh = start(app, env);
    assert.deepEqual([fresh.status, fresh.stdout, fresh.stderr], [0, 'ran\n', '']);
    app.write('store/real/main.js', '// edited');
    assert.match(start(app, env).stderr, /node_modules\/linked\/main\.js was changed/);
  } finally {
    app.remove();
  }
});

describe('the comparison', { skip: which('strace') ? false : 'strace is not installed' }, () => {
  let app: Application;
  let archive: string;
  before(() => {
    app = new Application(FILES);
    archive = app.path('named.walla');
    packProgram(app.path('app.mjs'), archive);
  });
  after(() => {
    app.remove();
  });

  for (const mpi of mpis) {
    test(
      `looks at each entry once, on one rank, beginning before ${mpi.abi} starts`,
      {
        skip: mpi.skip,
      },
      () => {
        const log = join(base, `trace-${mpi.abi}`);
        const traced = ['-f', '-ff', '-o', log, '-e', 'trace=openat,open,lstat,newfstatat'];
        const words = [process.execPath, '--import', preload, app.path('app.mjs')];
        const { status } = spawnSync(
          mpi.command,
          [...mpi.args, '-np', '3', 'strace', ...traced, ...words],
          { env: { ...cleanEnvironment(), WALLA_DIR: base, WALLA_ARCHIVE: archive } },
        );
        assert.equal(status, 0);
        const threads = readdirSync(base)
          .filter((name) => name.startsWith(`trace-${mpi.abi}`))
          .map((name) => readFileSync(join(base, name), 'utf8'));
        for (const path of ['node_modules/dep/main.js', 'lib.mjs', 'node_modules/dep']) {
          const call = new RegExp(`^newfstatat\\(\\d+, "${path}", .*AT_SYMLINK_NOFOLLOW`, 'gm');
          const looks = threads.flatMap((calls) => calls.match(call) ?? []);
          assert.equal(looks.length, 1, path);
        }
        const root = threads.find((calls) => calls.includes('named.walla')) ?? '';
        const opened = root.indexOf('named.walla');
        assert.ok(opened >= 0 && opened < root.indexOf(addonFile(`mpi-${mpi.abi}`)));
      },
    );
  }
});
