/** walla pack as a command, with every Node.js: what it prints, and that nothing is left when it is ended. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { nodeVersions } from '../node-versions/index.ts';
import { Application, cleanEnvironment, cli, runNode } from '../run-node.ts';

for (const { major, path: node } of nodeVersions) {
  test(`--quiet prints nothing for TypeScript either, Node.js ${major}`, () => {
    const app = new Application({ 'app.mjs': `import './x.ts';`, 'x.ts': 'const x: number = 1;' });
    const words = ['pack', '--quiet', '-o', app.path('app.walla'), app.path('app.mjs')];
    const { status, stdout, stderr } = runNode([cli, ...words], { node });
    assert.deepEqual([status, stdout, stderr], [0, '', '']);
    app.remove();
  });

  if (major < 22) continue;
  for (const signal of ['SIGTERM', 'SIGKILL'] as const)
    test(`ended by ${signal} while it compiles, it leaves nothing behind, Node.js ${major}`, async () => {
      const names = Array.from({ length: 500 }, (_, i) => `m${i}`);
      const app = new Application({
        'app.mjs': names.map((name) => `import './${name}.mjs';`).join('\n'),
        ...Object.fromEntries(names.map((name) => [`${name}.mjs`, 'export {};'.repeat(5000)])),
      });
      const left = () =>
        ['/dev/shm', tmpdir()].flatMap((directory) =>
          readdirSync(directory)
            .filter((name) => name.startsWith('walla-code-cache-'))
            .map((name) => `${directory}/${name}`),
        );
      const before = left();
      const words = [cli, 'pack', '--quiet', '-o', app.path('app.walla'), app.path('app.mjs')];
      const child = spawn(node, words, { env: cleanEnvironment(), stdio: 'ignore' });
      const ended = once(child, 'exit');
      const isCompiling = (): boolean =>
        left().some((path) => !before.includes(path) && readdirSync(path).length > 0);
      while (!isCompiling() && child.exitCode === null) await sleep(2);
      child.kill(signal);
      await ended;
      // Of one that was killed it is the compiling process that removes the directory, when it has done its work.
      const end = Date.now() + (signal === 'SIGKILL' ? 60_000 : 1000);
      while (signal === 'SIGKILL' ? left().length > before.length : Date.now() < end) {
        assert.ok(Date.now() < end, left().join(' '));
        await sleep(50);
      }
      assert.deepEqual(left(), before);
      assert.deepEqual(
        readdirSync(app.root).filter((name) => name.includes('.walla.tmp')),
        [],
      );
      app.remove();
    });
}
