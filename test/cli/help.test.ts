import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import {
  describeCommands,
  type DescribedCommand,
  optionNames,
} from '../../stage/cli/command-tree.ts';
import { buildProgram, COMMANDS, EXIT_CODES } from '../../stage/cli/commands.ts';
import { examplesOf } from '../../stage/cli/examples.ts';
import { manual } from '../../stage/cli/manual.ts';
import { which } from '../mpi/launch.ts';
import { cli, packageRoot, run, runNode } from '../run-node.ts';

const walla = (...args: string[]) => runNode([cli, ...args]);
const docs = (name: string) => readFileSync(join(packageRoot, 'docs', name), 'utf8');

let commands: DescribedCommand[];
before(async () => {
  commands = describeCommands(await buildProgram());
});

describe('help', () => {
  for (const name of Object.keys(COMMANDS))
    test(`walla ${name} --help has usage, options and examples`, () => {
      const { status, stdout, stderr } = walla(name, '--help');
      assert.deepEqual([status, stderr], [0, '']);
      assert.match(stdout, new RegExp(`^Usage: walla ${name} `));
      assert.match(stdout, /\nOptions:\n/);
      assert.match(stdout, new RegExp(`\nExamples:\n  \\$ .*walla ${name}`));
      assert.ok(!stdout.includes('\x1b'));
    });

  test('walla --help lists every command and every exit code', () => {
    const { status, stdout } = walla('--help');
    assert.equal(status, 0);
    for (const name of Object.keys(COMMANDS)) assert.match(stdout, new RegExp(`^  ${name} `, 'm'));
    for (const [code, what] of EXIT_CODES) assert.ok(stdout.includes(`  ${code}  ${what}`));
  });

  test('walla without a command shows the help on stderr and is wrong usage', () => {
    const { status, stdout, stderr } = walla();
    assert.deepEqual([status, stdout], [2, '']);
    assert.match(stderr, /^Usage: walla/);
  });

  test('every command says what its options do, and has an example', () => {
    for (const { name, options, command } of commands) {
      for (const option of options)
        assert.notEqual(option.description, '', `${name} ${option.long}`);
      const examples = examplesOf(command);
      assert.ok(examples.length > 0, name);
      assert.ok(
        examples.some(([words]) => words.includes(`walla ${name}`)),
        name,
      );
    }
  });

  test('every option in an example is one that the command has', () => {
    for (const { name, options, command } of commands) {
      const known = options.flatMap(optionNames);
      for (const [words] of examplesOf(command)) {
        if (!words.includes(`walla ${name}`)) continue;
        const own = words.slice(words.indexOf(`walla ${name}`)).split(/ -- | \|\|? | > /)[0] ?? '';
        for (const [, option = ''] of own.replace(/"[^"]*"/g, '').matchAll(/ (--?[a-z][\w-]*)/g))
          assert.ok(known.includes(option), `${option} in: ${words}`);
      }
    }
  });
});

describe('wrong usage', () => {
  for (const [args, told] of [
    [['pakc'], /unknown command 'pakc'.*Did you mean pack\?/],
    [['explian', 'a'], /Did you mean explain\?/],
    [['ls', '--lnog', 'a'], /unknown option '--lnog'.*Did you mean --long\?/],
    [['run', '--on-eror', 'stop', '--', 'node', 'a'], /Did you mean --on-error\?/],
    [['run', '--on-eror=stop', '--', 'node', 'a'], /'--on-eror'; did you mean "--on-error"\?/],
    [['run', '--stale=old', '--', 'node', 'a'], /Allowed choices are check, error, lockfile, use/],
    [['run', '-n', 'four', '--', 'node', 'a'], /"four" is no number of ranks/],
    [['run'], /missing required argument 'program'/],
    [['run', '--', 'python', 'a.py'], /"python" is not node/],
    [['explain', 'a'], /missing required argument 'specifier'/],
    [['cat', 'a'], /missing required argument 'path'/],
    [['diff', 'a', 'b', 'c'], /too many arguments/],
    [['completion', 'tcsh'], /Allowed choices are bash, zsh, fish/],
  ] as const)
    test(`walla ${args.join(' ')} ends with 2, a code and a hint`, () => {
      const { status, stdout, stderr } = walla(...args);
      assert.deepEqual([status, stdout], [2, ''], stderr);
      assert.match(stderr, told);
      assert.match(stderr, /^walla: ERR_WALLA_USAGE: .*\nhint: .*\n$/);
    });
});

/** What turns a colour or a style on. */
const COLOUR = new RegExp(`${String.fromCharCode(27)}\\[\\d+m`);

describe('colours', () => {
  const inTerminal = (env: NodeJS.ProcessEnv, ...words: string[]) => {
    const line = [process.execPath, cli, ...words].join(' ');
    return spawnSync('script', ['-qec', line, '/dev/null'], {
      env: { PATH: process.env['PATH'], TERM: 'xterm-256color', ...env },
      encoding: 'utf8',
      input: '',
    }).stdout;
  };
  const skip = which('script') ? false : 'script is not installed';

  test(
    'on a terminal the help and errors have some, and none with NO_COLOR or TERM=dumb',
    { skip },
    () => {
      for (const words of [['--help'], ['ls', '/nowhere.walla']]) {
        assert.match(inTerminal({}, ...words), COLOUR);
        assert.doesNotMatch(inTerminal({ NO_COLOR: '1' }, ...words), COLOUR);
        assert.doesNotMatch(inTerminal({ TERM: 'dumb' }, ...words), COLOUR);
      }
    },
  );
});

describe('what is made from the command line', () => {
  test('docs/man/walla.1 is what the commands say; else type npm run manual', async () => {
    assert.equal(docs('man/walla.1'), manual(await buildProgram()));
  });

  test('docs/cli.md has every command and every option, and no other option', () => {
    const text = docs('cli.md');
    for (const { name, options } of commands) {
      const section = new RegExp(`^## walla ${name}\\b[^]*?(?=^## |(?![^]))`, 'm').exec(text)?.[0];
      assert.ok(section, `docs/cli.md has no section "walla ${name}"`);
      const told = new Set([...section.matchAll(/`(--[a-z][\w-]*)/g)].map((match) => match[1]));
      const known = options.map(({ long }) => long).filter((long) => long !== '--help');
      for (const option of known) assert.ok(told.has(option), `${name}: ${option}`);
    }
    for (const [code] of EXIT_CODES) assert.match(text, new RegExp(`^\\| ${code} `, 'm'));
  });

  for (const shell of ['bash', 'zsh', 'fish'])
    test(
      `${shell} takes its completions`,
      { skip: which(shell) ? false : `${shell} is not installed` },
      () => {
        const directory = mkdtempSync(join(tmpdir(), 'walla-completion-'));
        try {
          const file = join(directory, 'script');
          const { status, stdout } = walla('completion', shell);
          assert.equal(status, 0);
          writeFileSync(file, stdout);
          const checked = run(shell, ['-n', file]);
          assert.deepEqual([checked.status, checked.stderr], [0, '']);
        } finally {
          rmSync(directory, { recursive: true });
        }
      },
    );

  const complete = (...words: string[]): string[] => {
    const script = walla('completion', 'bash').stdout;
    const driver = `${script}\nCOMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _walla; printf '%s\\n' "\${COMPREPLY[@]}"`;
    const { stdout } = run('bash', ['-c', driver, 'bash', ...words]);
    return stdout.split('\n').filter(Boolean);
  };
  test('bash completes commands, options and values, and leaves files to itself', () => {
    assert.deepEqual(complete('walla', 'di'), ['diff']);
    assert.ok(Object.keys(COMMANDS).every((name) => complete('walla', '').includes(name)));
    assert.deepEqual(complete('walla', 'run', '--on'), ['--on-error']);
    assert.deepEqual(complete('walla', 'run', '--stale', '=', 'u'), ['use']);
    assert.deepEqual(complete('walla', 'run', '--stale', ''), [
      'check',
      'error',
      'lockfile',
      'use',
    ]);
    assert.deepEqual(complete('walla', 'completion', 'z'), ['zsh']);
    assert.deepEqual(complete('walla', 'ls', ''), []);
    assert.deepEqual(complete('walla', 'run', '--', 'node', '--'), []);
  });
});

describe('starting', () => {
  let loaded: string[];
  before(() => {
    const trace =
      'process.on("exit", () => process.stderr.write(JSON.stringify([...new Set(process.moduleLoadList ?? [])])))';
    const { stdout, stderr } = run(process.execPath, [
      '--import',
      `data:text/javascript,${encodeURIComponent(trace)}`,
      cli,
      'ls',
      '--help',
    ]);
    assert.match(stdout, /Usage/);
    loaded = JSON.parse(stderr) as string[];
  });
  after(() => {
    loaded = [];
  });
  test('help of one command loads neither the packer nor the network', () => {
    assert.ok(loaded.length > 0);
    for (const module of ['http', 'https', 'worker_threads'])
      assert.ok(!loaded.includes(`NativeModule ${module}`), module);
  });
});
