/**
 * A shadow makes the reads of chosen code collective, and nothing else.
 *
 *     shadow.mjs APPLICATION DIRECTORY
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import fs, { readFileSync as imported } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';

import * as collfs from 'walla/collfs';
import { world } from 'walla/mpi';

const { rank, size } = world;
const [application, base] = process.argv.slice(2);
const require = createRequire(join(application, 'main.cjs'));
const reader = require('reader');
const other = require('other');
const own = (of) => join(base, `rank-${of}`);
const root = size - 1;

fs.mkdirSync(join(own(rank), 'tree', 'sub'), { recursive: true });
process.chdir(own(rank));
fs.writeFileSync('file', `content of rank ${rank}`);
fs.writeFileSync(`tree/sub/of-${rank}`, '');
fs.writeFileSync(`only-${rank}`, '');
world.barrier();

const untouched = { ...fs };

/** What all the ways of reading say: of `of`, or of this rank's own directory. */
async function check(by, of) {
  const file = join(own(of), 'file');
  const [ino, tree] = collfs.independently(() => [fs.statSync(file).ino, join(own(of), 'tree')]);
  for (const [name, read] of Object.entries(by.contents))
    assert.equal(await read('file'), `content of rank ${of}`, name);
  for (const [name, ask] of Object.entries(by.answers)) assert.equal(await ask('file'), ino, name);
  const listing = { tree: 'sub', 'tree/sub': `of-${of}` };
  for (const [name, list] of Object.entries(by.names)) {
    if (name !== 'recursive')
      for (const path of Object.keys(listing)) assert.equal(await list(path), listing[path], name);
    else assert.equal(list('tree'), `sub,sub/of-${of}`);
  }
  for (const [name, find] of Object.entries(by.realpaths))
    assert.equal(await find('tree'), tree, name);
  for (const [name, exists] of Object.entries(by.exists)) {
    assert.equal(await exists(`only-${of}`), true, name);
    assert.equal(await exists('absent'), false, name);
  }
  assert.throws(() => by.contents.readFileSync('absent'), {
    code: 'ENOENT',
    errno: -2,
    syscall: 'open',
    path: 'absent',
    message: "ENOENT: no such file or directory, open 'absent'",
  });
  await assert.rejects(by.contents.createReadStream('absent'), { code: 'ENOENT', path: 'absent' });
  await assert.rejects(async () => by.contents.readFile('absent'), { code: 'ENOENT' });
}

// Nothing pushed: a shadow does nothing.
const idle = collfs.shadow({ packages: ['reader'] });
await check(reader, rank);
idle.restore();
idle.restore();
assert.deepEqual({ ...fs }, untouched);

collfs.push(world, { root });

// By package: the code that calls counts.
const byPackage = collfs.shadow({ packages: ['reader'] });
await check(reader, root);
await check(other, rank);
assert.equal(fs.readFileSync('file', 'utf8'), `content of rank ${rank}`);
assert.match(reader.read('/proc/self/status'), new RegExp(`^Pid:\\s+${process.pid}$`, 'm'));
reader.write('written', 'mine');
assert.equal(
  collfs.independently(() => reader.read('written')),
  'mine!',
);
world.barrier();
assert.equal(fs.readFileSync('written', 'utf8'), 'mine!');
byPackage.restore();
assert.deepEqual({ ...fs }, untouched);
await check(reader, rank);

// By path: whoever reads.
const byPath = collfs.shadow({ paths: [own(rank)] });
await check(other, root);
await check(reader, root);
assert.equal(imported('file', 'utf8'), `content of rank ${root}`);
// Two at a time.
const more = collfs.shadow({ packages: [join(application, 'node_modules/other')] });
byPath.restore();
await check(other, root);
await check(reader, rank);

// Workers and children are for themselves.
const worker = new Worker(
  `const fs = require('fs'); require('worker_threads').parentPort.postMessage(fs.readFileSync('file', 'utf8'));`,
  { eval: true },
);
const [said] = await new Promise((resolve) => worker.once('message', (...words) => resolve(words)));
assert.equal(said, `content of rank ${rank}`);
const child = spawnSync(process.execPath, ['-p', "fs.readFileSync('file', 'utf8')"], {
  encoding: 'utf8',
});
assert.equal(child.stdout.trim(), `content of rank ${rank}`);

// Somebody else's function on top stays, and is the last to be asked.
const wrapped = fs.readFileSync;
const wrapper = (...args) => wrapped(...args);
fs.readFileSync = wrapper;
more.restore();
assert.equal(fs.readFileSync, wrapper);
assert.equal(other.read('file'), `content of rank ${rank}`);
fs.readFileSync = untouched.readFileSync;

if (Symbol.dispose) {
  const used = collfs.shadow({ paths: [own(rank)] });
  used[Symbol.dispose]();
  assert.equal(fs.readFileSync('file', 'utf8'), `content of rank ${rank}`);
}
for (const wrong of [{}, { path: ['/x'] }, { packages: ['./x'] }, { paths: '/x' }])
  assert.throws(() => collfs.shadow(wrong), { code: 'ERR_WALLA_OPTION' });
assert.deepEqual({ ...fs }, untouched);

collfs.pop();
console.log('shadows are right');
