/** V8 hears of a program that loads many modules, and of no other. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { after, before, describe, it } from 'node:test';
import { nodeVersions } from '../node-versions/index.ts';
import { Application, cleanEnvironment, cli, packProgram, preload, runNode } from '../run-node.ts';

const MODULES = 20;
const numbers = Array.from({ length: MODULES }, (_, i) => i);
/** The room of V8's young generation, in MiB: it starts with less than one and grows with what survives. */
const ROOM = `(await import('node:v8')).getHeapSpaceStatistics().find((space) => space.space_name === 'new_space').space_available_size / 2 ** 20`;
const files = {
  'small.mjs': `import './part-0.cjs';\nconsole.log(${ROOM});\n`,
  'required.mjs': `${numbers.map((i) => `import './part-${i}.cjs';`).join('\n')}\nconsole.log(${ROOM});\n`,
  'imported.mjs': `${numbers.map((i) => `import './part-${i}.mjs';`).join('\n')}\nconsole.log(${ROOM});\n`,
  'few.mjs': `${numbers
    .slice(0, 8)
    .map((i) => `import './part-${i}.mjs';`)
    .join('\n')}\nconsole.log(0);\n`,
  'many.mjs': Array.from({ length: 1000 }, (_, i) => `import './part-0.mjs?${i}';\n`).join(''),
  ...Object.fromEntries(
    numbers.flatMap((i) => [
      [`part-${i}.cjs`, `exports.part = ${i};\n`],
      [`part-${i}.mjs`, `export const part = ${i};\n`],
    ]),
  ),
};

describe('a program that loads', () => {
  let app: Application;
  before(() => {
    app = new Application(files);
  });
  after(() => app.remove());

  /** What V8 says of its mode when it changes, and the room that the program sees. */
  function run(node: string, name: string, packed?: string): { loading: boolean; room: number } {
    const archive = packed ?? app.path(`${name}.walla`);
    if (packed === undefined) packProgram(app.path(`${name}.mjs`), archive, { node });
    const words = ['--trace-rail', '-r', preload, app.path(`${name}.mjs`)];
    const { status, stdout, stderr } = spawnSync(node, words, {
      env: { ...cleanEnvironment(), WALLA_ARCHIVE: archive },
      encoding: 'utf8',
    });
    assert.equal(status, 0, stderr);
    const lines = stdout.trim().split('\n');
    return {
      loading: lines.some((line) => line.includes('RAIL mode: LOAD')),
      room: Number(lines.at(-1)),
    };
  }

  for (const { major, path } of nodeVersions) {
    for (const name of ['required', 'imported']) {
      it(`is told of to V8 on Node.js ${major} when many modules are ${name}`, () => {
        const { loading, room } = run(path, name);
        assert.equal(loading, true);
        // What V8 allows: 16 MiB, and 32 from Node.js 24 on.
        assert.ok(room > (major >= 24 ? 16 : 4), `${room} MiB`);
      });
    }

    it(`is not told of to V8 on Node.js ${major} when it is small`, () => {
      const { loading, room } = run(path, 'small');
      assert.equal(loading, false);
      assert.ok(room < 4, `${room} MiB`);
    });

    it(`is told of to V8 on Node.js ${major} after few modules where the archive has many`, () => {
      const archive = app.path('many.walla');
      const entries = ['few', 'small', 'many'].map((name) => app.path(`${name}.mjs`));
      const packed = runNode([cli, 'pack', '--quiet', '-o', archive, ...entries], { node: path });
      assert.equal(packed.status, 0, packed.stderr);
      assert.equal(run(path, 'few', archive).loading, true);
      assert.equal(run(path, 'small', archive).loading, false);
    });
  }
});
