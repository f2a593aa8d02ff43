/** A staged program, in the application's directory: what its archive lacks comes through collfs. */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import * as collfs from 'walla/collfs';

const require = createRequire(import.meta.url);
const here = fileURLToPath(new URL('.', import.meta.url));
const [withAddon] = process.argv.slice(2);

collfs.push();
const shadow = collfs.shadow({ packages: ['reader', '@scope/tools', 'inner', 'addon'] });

// Packed: no rank asks another.
const reader = require('reader');
assert.equal(
  reader.read(join(here, 'node_modules/reader/package.json')).includes('"reader"'),
  true,
);
const asked = () => collfs.counters().filter(({ operation }) => operation !== 'push');
assert.deepEqual(asked(), []);

// Not packed, since nobody could know the name.
const tools = require(['@scope', 'tools'].join('/'));
assert.equal(tools.helper, `helper in ${join(here, 'node_modules/@scope/tools/lib/helper.js')}`);
assert.equal(tools.settings.depth, 3);
assert.equal(tools.inner, 'inner');
assert.equal(tools.error.code, 'MODULE_NOT_FOUND');
if (withAddon === 'addon') assert.equal(require(['add', 'on'].join('')).count(), 42);
assert.ok(asked().length > 0);
const settings = join(here, 'node_modules/@scope/tools/settings.json');
assert.equal(reader.read(settings), '{"depth": 3}');
shadow.restore();
assert.equal(fs.readFileSync(settings, 'utf8'), '{"depth": 3}');
collfs.pop();
console.log('the archive is complete now');
