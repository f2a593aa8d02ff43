/** An image of 200,000 entries: it is mapped, not read, and answers take no memory of their own. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { addonPath } from '../../native/addon-path.ts';
import { scratch } from './image-fixture.ts';
import { type ImageNode, tarImage } from './tar-image.ts';

const ENTRIES = 200_000;
const OPENINGS = 10;
const LOOKUPS = 200_000;
/** What V8 and malloc may take meanwhile. The index alone is over 20 MB. */
const MAX_GROWTH_KB = 2048;

/** Run in a process of its own, for memory is counted by process. */
const PROGRAM = `
const { closeSync, openSync, readFileSync } = require('node:fs');
const [addonFile, imageFile, openings, lookups] = process.argv.slice(2);
const module_ = { exports: {} };
process.dlopen(module_, addonFile);
const anonymous = () => Number(/RssAnon:\\s+(\\d+)/.exec(readFileSync('/proc/self/status', 'utf8'))[1]);
const fd = openSync(imageFile, 'r');
const names = Array.from({ length: 1000 }, (_, i) => ['/app/file-' + i * 199 + '.js', '/app/none-' + i, '/elsewhere/' + i]).flat();
let found = 0;
const look = (image, count) => { for (let i = 0; i < count; i++) if (image.find(names[i % names.length], true) >= 0) found++; };
look(module_.exports.openImage(fd, ['/app']), names.length); // whatever the first use takes
gc();
const before = anonymous();
let fastest = Infinity;
const images = [];
for (let i = 0; i < Number(openings); i++) {
  const start = process.hrtime.bigint();
  images.push(module_.exports.openImage(fd, ['/app']));
  const ms = Number(process.hrtime.bigint() - start) / 1e6;
  if (ms < fastest) fastest = ms;
}
look(images[0], Number(lookups));
gc();
console.log(JSON.stringify({ entries: images[0].entryCount, found, grownKB: anonymous() - before, fastest }));
`;

test('opens and answers without growing', (t) => {
  const nodes: ImageNode[] = [{ path: '', kind: 'directory', mode: 0o755 }];
  for (let i = 1; i < ENTRIES; i++)
    nodes.push({ path: `file-${i}.js`, kind: 'file', data: Buffer.alloc(0), format: 1 });
  const image = join(scratch, 'large-image');
  writeFileSync(image, tarImage(nodes, []), { mode: 0o600 });
  const program = join(scratch, 'large-image.cjs');
  writeFileSync(program, PROGRAM);
  const words = [
    '--expose-gc',
    program,
    addonPath('walla'),
    image,
    String(OPENINGS),
    String(LOOKUPS),
  ];
  const { stdout, stderr } = spawnSync(process.execPath, words, { encoding: 'utf8' });
  assert.equal(stderr, '');
  const { entries, found, grownKB, fastest } = JSON.parse(stdout) as Record<string, number>;
  t.diagnostic(`opened in ${fastest} ms, grown by ${grownKB} KB`);
  assert.equal(entries, ENTRIES);
  assert.ok((found ?? 0) > LOOKUPS / 4);
  assert.ok((grownKB ?? Infinity) < MAX_GROWTH_KB, `grown by ${grownKB} KB`);
});
