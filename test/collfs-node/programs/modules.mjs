/**
 * Loads packages with their addon under a shadow.
 *
 *     modules.mjs APPLICATION addon|no-addon
 */
import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { join } from 'node:path';

import * as collfs from 'walla/collfs';
import { world } from 'walla/mpi';

const [application, withAddon] = process.argv.slice(2);
const require = createRequire(join(application, 'main.cjs'));
const at = (path) => join(application, path);

collfs.push(world, { root: world.size - 1 });
const shadow = collfs.shadow({
  packages: ['@scope/tools', 'inner', 'addon'],
  paths: [join(application, 'data')],
});
const tools = require('@scope/tools');
assert.equal(tools.helper, `helper in ${at('node_modules/@scope/tools/lib/helper.js')}`);
assert.equal(tools.inner, 'inner');
assert.equal(tools.settings.depth, 3);
assert.equal(tools.error.code, 'MODULE_NOT_FOUND');
assert.match(tools.error.message, /^Cannot find module 'not-there'\nRequire stack:\n/);
assert.equal(tools.error.requireStack[0], at('node_modules/@scope/tools/lib/main.js'));
assert.equal(require(at('data/module.cjs')), 42);
assert.equal(require.resolve('@scope/tools'), at('node_modules/@scope/tools/lib/main.js'));
if (withAddon === 'addon') {
  const addon = require('addon');
  assert.equal(addon.count(), 42);
  assert.equal(require.cache[at('node_modules/addon/build/addon.node')].exports, addon);
  // Loaded once, however often it is asked for.
  const again = { exports: {} };
  process.dlopen(again, at('node_modules/addon/build/addon.node'));
  assert.equal(again.exports.count(), 43);
}
assert.throws(() => require(at('node_modules/addon/absent.node')), { code: 'MODULE_NOT_FOUND' });
shadow.restore();

const local = collfs.fetchSync(at('data/text'));
const { readFileSync } = await import('node:fs');
assert.equal(readFileSync(local, 'utf8'), 'text of the application');
assert.throws(() => collfs.dlopen({ exports: {} }, at('data/text')), new RegExp(at('data/text')));
assert.throws(() => collfs.dlopen({ exports: {} }, at('absent.node')), {
  code: 'ERR_DLOPEN_FAILED',
  message: /absent\.node: cannot open shared object file/,
});
collfs.pop();
console.log('modules are loaded');
