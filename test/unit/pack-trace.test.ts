import assert from 'node:assert/strict';
import { test } from 'node:test';
import { listArchive } from '../../stage/pack/list.ts';
import { pack } from '../../stage/pack/pack.ts';
import { verifyArchive } from '../../stage/pack/verify.ts';
import { CASES } from '../fixtures/cases.ts';
import { writeTree } from '../fixtures/source-tree.ts';

for (const [name, expected] of Object.entries(CASES)) {
  test(`packs ${name}`, async () => {
    const tree = writeTree(expected.files);
    try {
      const { file } = await pack({
        entries: [expected.entry],
        directory: tree.root,
        conditions: [],
        ...expected.options,
      });
      await verifyArchive(file);
      const { entries, resolutions, manifest } = await listArchive(file);
      const packed = entries.filter(({ type }) => type !== 'directory').map(({ path }) => path);
      assert.deepEqual(packed, [...expected.packed].sort());
      assert.equal(manifest.root, tree.root);
      assert.deepEqual(manifest.entries, [expected.entry]);

      for (const [path, format] of Object.entries(expected.formats ?? {})) {
        assert.equal(entries.find((entry) => entry.path === path)?.format, format, path);
      }
      const answers = new Map(
        resolutions.map(({ kind, directory, specifier, answer }) => [
          `${kind} ${directory} ${specifier}`,
          answer,
        ]),
      );
      for (const [key, answer] of Object.entries(expected.resolutions ?? {})) {
        assert.equal(answers.get(key), answer, key);
      }
      for (const specifier of expected.unasked ?? []) {
        assert.ok(!resolutions.some((found) => found.specifier === specifier), specifier);
      }
    } finally {
      tree.remove();
    }
  });
}
