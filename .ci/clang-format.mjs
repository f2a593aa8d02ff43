/** node .ci/clang-format.mjs --check | --write: the format of the C++ files that git tracks. */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import path from 'node:path';
import { has, root, run, say } from './shared.mjs';

const mode = process.argv[2];
if (mode !== '--check' && mode !== '--write') {
  say('usage: node .ci/clang-format.mjs --check | --write');
  process.exit(2);
}
if (!has('clang-format')) {
  if (mode === '--write' || process.env.CI === 'true') {
    say('clang-format is not installed. Type: apt-get install clang-format');
    process.exit(1);
  }
  say('left out: the format of C++ files (no clang-format here: apt-get install clang-format)');
  process.exit(0);
}
const patterns = ['native', 'test', 'bench'].flatMap((top) => [
  `${top}/**/*.[ch]`,
  `${top}/**/*.cpp`,
]);
const listed = spawnSync('git', ['ls-files', '-z', '--', ...patterns.map((p) => `:(glob)${p}`)], {
  cwd: root,
  encoding: 'utf8',
});
if (listed.status !== 0) {
  say(`git ls-files failed: ${listed.stderr}`);
  process.exit(1);
}
const files = listed.stdout
  .split('\0')
  .filter((file) => file !== '' && existsSync(path.join(root, file)));
if (files.length === 0) process.exit(0);
const how = mode === '--check' ? ['--dry-run', '--Werror'] : ['-i'];
process.exit(run('clang-format', [...how, ...files]));
