import assert from 'node:assert/strict';
import { cpSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';

import { which } from '../mpi/launch.ts';
import { nodeVersions } from '../node-versions/index.ts';
import { type Application, packageRoot, packProgram, preload } from '../run-node.ts';
import { makeApplication, noCompiler } from './application.ts';
import { count, implementations, launch, type Launch, programPath, scratch } from './launch.ts';

const ADDON = noCompiler ? 'no-addon' : 'addon';
const RANK = { openmpi: 'OMPI_COMM_WORLD_RANK', mpich: 'PMI_RANK' };
const noStrace = which('strace') === undefined && 'strace is not installed';
const [mpi] = implementations;
const skip = mpi?.skip ?? true;

describe('a shadow', () => {
  let app: Application;
  before(() => (app = makeApplication()));
  after(() => app.remove());

  function passes(words: string, options: Launch, name: string, args: string[] = []): void {
    const { stdout, stderr, status } = launch(programPath(name), {
      ...options,
      args: [app.root, ...args],
    });
    assert.equal(status, 0, stdout + stderr);
    assert.equal(count(stdout, words), options.ranks ?? 1);
  }

  function reads(options: Launch): void {
    const directory = scratch();
    try {
      passes('shadows are right', options, 'shadow.mjs', [directory.path]);
    } finally {
      directory.remove();
    }
  }

  it('changes nothing without MPI', () => {
    reads({});
    passes('modules are loaded', {}, 'modules.mjs', [ADDON]);
  });
  for (const each of implementations) {
    for (const ranks of [1, 2, 4]) {
      it(
        `gives chosen code root's answers on ${ranks} ranks under ${each.abi}`,
        { skip: each.skip },
        () => reads({ mpi: each, ranks }),
      );
    }
  }
  for (const node of nodeVersions.slice(1)) {
    it(`gives chosen code root's answers on Node.js ${node.major}`, { skip }, () =>
      reads({ mpi, ranks: 2, node: node.path }),
    );
  }

  /** Calls of each rank that name a path of the application, but for starting the program. */
  function trace(options: Launch & { mpi: NonNullable<typeof mpi>; ranks: number }): string[][] {
    const directory = scratch();
    try {
      const file = join(directory.path, 'trace');
      const script =
        'f=$1.$' +
        RANK[options.mpi.abi] +
        '; shift; exec strace -f -qq -e trace=%file -o "$f" "$@"';
      const { node = process.execPath, flags = [], args = [] } = options;
      const { stdout, stderr, status } = launch('-c', {
        ...options,
        node: 'bash',
        flags: [],
        args: [script, 'trace', file, node, ...flags, ...args],
      });
      assert.equal(status, 0, stdout + stderr);
      return Array.from({ length: options.ranks }, (_, rank) =>
        readFileSync(`${file}.${rank}`, 'utf8')
          .split('\n')
          .filter((line) => line.includes(`"${app.root}/`) && !line.includes('execve(')),
      );
    } finally {
      directory.remove();
    }
  }

  for (const node of nodeVersions) {
    it(
      `has root alone look for modules on Node.js ${node.major}`,
      { skip: skip || noStrace },
      () => {
        assert.ok(mpi);
        const args = [programPath('modules.mjs'), app.root, ADDON];
        const [first = [], second = [], root = []] = trace({
          mpi,
          ranks: 3,
          node: node.path,
          args,
        });
        assert.deepEqual([...first, ...second], []);
        const files = ['@scope/tools/lib/main.js', '@scope/tools/lib/helper.js'];
        if (ADDON === 'addon')
          files.push('addon/build/addon.node', 'addon/build/libs/libanswer.so');
        for (const file of files) {
          const opened = root.filter((line) => line.includes('open') && line.includes(`${file}"`));
          assert.equal(opened.length, 1, `${file}: ${opened.join('\n')}`);
        }
      },
    );

    it(`fetches what an archive lacks on Node.js ${node.major}`, { skip: skip || noStrace }, () => {
      assert.ok(mpi);
      const entry = app.path('staged.mjs');
      cpSync(programPath('staged.mjs'), entry);
      const archive = app.path(`.walla/${node.major}.walla`);
      symlinkSync(packageRoot, app.path('node_modules/walla'));
      try {
        packProgram(entry, archive, { node: node.path });
        const env = { WALLA_ARCHIVE: archive, WALLA_STALE: 'use' };
        const args = [entry, ADDON];
        const flags = ['-r', preload];
        const ranks = trace({ mpi, ranks: 2, node: node.path, flags, args, env });
        const own = ranks.map((calls) =>
          calls.filter((line) => /node_modules\/(@scope|addon)/.test(line)),
        );
        assert.deepEqual(own[1], []);
        assert.ok((own[0]?.length ?? 0) > 0);
      } finally {
        rmSync(app.path('node_modules/walla'));
      }
    });
  }
});
