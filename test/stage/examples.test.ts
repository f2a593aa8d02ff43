import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { nodeVersions } from '../node-versions/index.ts';
import { leftBehind, mpis, packageRoot, packProgram, preload, run, runNode } from '../run-node.ts';

const base = mkdtempSync(join(tmpdir(), 'walla-base-'));
after(() => rmSync(base, { recursive: true }));

/** Examples have packages of their own, which `npm test` installs. */
function missing(example: string): string | false {
  const folder = join(packageRoot, 'examples', example);
  return existsSync(join(folder, 'node_modules'))
    ? false
    : `npm ci was not run in examples/${example}`;
}

describe('the catalogue example', { skip: missing('catalogue') }, () => {
  const app = join(packageRoot, 'examples/catalogue/app.mjs');

  for (const { major, path: node } of nodeVersions) {
    test(`prints the same export counts plain and staged on Node.js ${major}`, () => {
      const archive = join(base, `catalogue-${major}.walla`);
      packProgram(app, archive, { node });
      const plain = runNode([app], { node });
      const staged = runNode(['--import', preload, app], {
        node,
        env: { WALLA_DIR: base, WALLA_ARCHIVE: archive },
      });
      assert.equal(staged.stderr, plain.stderr);
      assert.equal(staged.stdout, plain.stdout);
      assert.equal(staged.stdout.trim().split('\n').length, 11);
      assert.equal(staged.status, 0);
      assert.deepEqual(leftBehind(base), []);
      if (major === Number.parseInt(process.versions.node)) {
        const listed = run('tar', ['tvf', archive]);
        assert.match(listed.stdout, / \.walla\/manifest\.json\n.* \.walla\/index\n/);
        assert.equal(listed.status, 0);
      }
    });
  }
});

describe('the Mandelbrot example', { skip: missing('mandelbrot') }, () => {
  const app = join(packageRoot, 'examples/mandelbrot/app.mjs');
  const archive = join(base, 'mandelbrot.walla');

  for (const mpi of mpis) {
    test(
      `paints the same picture plain and staged with 2 ranks of ${mpi.abi}`,
      { skip: mpi.skip },
      () => {
        if (!existsSync(archive)) packProgram(app, archive);
        const pictures = [[], ['--import', preload]].map((flags, index) => {
          const out = join(base, `${mpi.abi}-${index}.png`);
          const { status, stderr } = run(
            mpi.command,
            [...mpi.args, '-np', '2', process.execPath, ...flags, app],
            {
              OUT: out,
              WALLA_DIR: base,
              WALLA_ARCHIVE: archive,
            },
          );
          assert.equal(status, 0, stderr);
          return readFileSync(out);
        });
        const [plain, staged] = pictures;
        assert.ok(plain && staged);
        assert.equal(plain.toString('latin1', 1, 4), 'PNG');
        assert.ok(plain.equals(staged));
        assert.deepEqual(leftBehind(base), []);
      },
    );
  }
});
