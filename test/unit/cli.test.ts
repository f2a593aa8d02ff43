import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { PackSummary } from '../../stage/pack/pack.ts';
import { writeTree, type SourceFiles } from '../fixtures/source-tree.ts';

const CLI = fileURLToPath(new URL('../../stage/cli.ts', import.meta.url));
const TSX = import.meta.resolve('tsx');

let tree: SourceFiles;

before(() => {
  tree = writeTree({
    'app.mjs': "import './a.mjs'; console.log('ran', ...process.argv.slice(2));",
    'a.mjs': '',
  });
});
after(() => tree.remove());

function walla(...args: string[]) {
  return spawnSync(process.execPath, ['--import', TSX, CLI, ...args], {
    cwd: tree.root,
    encoding: 'utf8',
  });
}

test('refuses with a code, a hint and exit code 1', () => {
  const { status, stderr, stdout } = walla('pack', 'nope.mjs');
  assert.equal(status, 1);
  assert.match(stderr, /^walla: ERR_WALLA_NO_ENTRY: .*nope\.mjs\nhint: /);
  assert.equal(stdout, '');
});

test('says what to type when the archive cannot be written', () => {
  const { status, stderr } = walla('pack', 'app.mjs', '-o', 'a.mjs/app.walla');
  assert.equal(status, 1);
  assert.match(
    stderr,
    /ERR_WALLA_PACK: cannot write .*a\.mjs\/app\.walla: (EEXIST|ENOTDIR).*\nhint: .* -o FILE/,
  );
});

test('ends where no directory can be made for the archive', () => {
  const { status, stderr } = walla('pack', 'app.mjs', '-o', '/proc/walla/archives/app.walla');
  assert.equal(status, 1);
  assert.match(stderr, /ERR_WALLA_PACK: cannot write \/proc\/walla\/archives\/app\.walla: ENOENT/);
});

test('makes the directories that an archive lacks', () => {
  const { status, stderr } = walla('pack', 'app.mjs', '-o', 'new/deep/app.walla');
  assert.equal(status, 0, stderr);
  assert.ok(existsSync(`${tree.root}/new/deep/app.walla`));
});

test('a misspelt option or command is exit code 2 and a suggestion', () => {
  for (const [args, suggestion] of [
    [['pack', '--recrod', 'app.mjs'], '--record'],
    [['pakc'], 'pack'],
    [['pack'], 'entry'],
    [['verify', 'a', 'b'], 'argument'],
  ] as const) {
    const { status, stderr } = walla(...args);
    assert.equal(status, 2, stderr);
    assert.match(stderr, new RegExp(`ERR_WALLA_USAGE: .*${suggestion}`));
  }
});

test('packs, lists and verifies', () => {
  const packed = walla('pack', 'app.mjs', '-o', 'out.walla');
  assert.equal(packed.status, 0, packed.stderr);
  assert.match(packed.stderr, /^walla: packed 2 files, .* into .*out\.walla in /);
  assert.equal(packed.stdout, '');
  assert.match(walla('pack', 'app.mjs', '-o', 'out.walla').stderr, /is up to date/);

  const listed = walla('ls', 'out.walla');
  assert.deepEqual(listed.stdout.split('\n').sort(), ['', '.', 'a.mjs', 'app.mjs']);
  assert.match(walla('ls', '--long', 'out.walla').stdout, /^-rw-r--r-- +0 module +a\.mjs$/m);

  const verified = walla('verify', '--json', 'out.walla');
  assert.equal((JSON.parse(verified.stdout) as { ok: boolean }).ok, true);
});

test('refuses archives that are cut, changed, foreign or absent', () => {
  walla('pack', 'app.mjs', '-o', 'whole.walla', '-q');
  const whole = readFileSync(tree.path('whole.walla'));
  const changed = Buffer.from(whole);
  changed[whole.length - 2000] = (changed[whole.length - 2000] ?? 0) ^ 1;
  for (const [content, code] of [
    [whole.subarray(0, whole.length - 512), 'ERR_WALLA_ARCHIVE_DAMAGED'],
    [whole.subarray(0, 700), 'ERR_WALLA_ARCHIVE_DAMAGED'],
    [whole.subarray(0, 0), 'ERR_WALLA_ARCHIVE_DAMAGED'],
    [changed, 'ERR_WALLA_ARCHIVE_DAMAGED'],
    [Buffer.alloc(4096, 'garbage'), 'ERR_WALLA_ARCHIVE_FORMAT'],
  ] as const) {
    writeFileSync(tree.path('bad.walla'), content);
    const { status, stderr } = walla('verify', 'bad.walla');
    assert.equal(status, 1);
    assert.match(stderr, new RegExp(`${code}: .*\nhint: `));
  }
  assert.match(walla('verify', 'no.walla').stderr, /ERR_WALLA_ARCHIVE_MISSING/);
});

test('--gzip writes a compressed archive that verifies', () => {
  const { status, stdout } = walla('pack', 'app.mjs', '-o', 'z.walla', '--gzip', '--json');
  assert.equal(status, 0);
  const { file } = JSON.parse(stdout) as PackSummary;
  assert.equal(file, tree.path('z.walla.gz'));
  assert.ok(!existsSync(tree.path('z.walla')));
  assert.equal(walla('verify', 'z.walla.gz').status, 0);
  writeFileSync(tree.path('cut.gz'), readFileSync(file).subarray(0, 300));
  assert.match(walla('verify', 'cut.gz').stderr, /ERR_WALLA_ARCHIVE_DAMAGED/);
});

test('--record passes what follows -- to the program, whose output goes to stderr', () => {
  const { status, stdout, stderr } = walla(
    'pack',
    'app.mjs',
    '--record',
    '--json',
    '--',
    'one',
    '-x',
  );
  assert.equal(status, 0, stderr);
  assert.match(stderr, /ran one -x/);
  assert.equal((JSON.parse(stdout) as PackSummary).manifest.counts.files, 2);
});

test('--dry-run writes nothing', () => {
  const { status, stderr } = walla('pack', 'app.mjs', '-o', 'dry.walla', '--dry-run');
  assert.equal(status, 0);
  assert.match(stderr, /would pack 2 files/);
  assert.ok(!existsSync(tree.path('dry.walla')));
});

test('the version is that of package.json', () => {
  const manifest = readFileSync(new URL('../../package.json', import.meta.url), 'utf8');
  assert.equal(
    walla('--version').stdout.trim(),
    (JSON.parse(manifest) as { version: string }).version,
  );
});
