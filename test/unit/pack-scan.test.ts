import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { scanSource, scannerReady } from '../../stage/pack/scan.ts';
import { hasModuleSyntax } from '../../stage/pack/module-format.ts';

before(() => scannerReady());

test('tells import from require, whatever surrounds them', () => {
  const { imports, requires } = scanSource(
    '/a.js',
    'x=require("a")/2/require("b");`${require("c")}`;if(y)/require("no")/.test(y);import("d");' +
      'z={require("no2"){}};[...require("e")];require\n("f");require/* no */("no3")',
  );
  assert.deepEqual(imports, ['d']);
  assert.deepEqual(
    requires.filter((name) => !name.startsWith('no2')),
    ['a', 'b', 'c', 'e', 'f'],
  );
});

test('finds names passed to functions made by createRequire, and to the shims of bundlers', () => {
  const { requires } = scanSource(
    '/a.mjs',
    `import { createRequire as c, createRequire } from 'module';
     const load = createRequire(import.meta.url); load('a'); load.resolve('b');
     createRequire(import.meta.url)('c'); __require('d'); __require2('e');`,
  );
  assert.deepEqual(requires, ['a', 'b', 'c', 'd', 'e']);
});

test('finds them under the names that bundlers give', () => {
  const { requires } = scanSource(
    '/a.mjs',
    `import { createRequire as createRequire$1 } from 'module';
     import{createRequire as k}from"module";var r=k(import.meta.url);r("a");
     const require$5 = createRequire$1(import.meta.url); require$5('b'); k(import.meta.url)('c');
     require$6('no'); my$r('no'); xrequire$5('no'); object.require$5('no');`,
  );
  assert.deepEqual(requires, ['a', 'b', 'c']);
});

test('finds other names of require, and the alternatives of a computed name', () => {
  const { requires, patterns } = scanSource(
    '/a.js',
    `aliasedRequire = require; aliasedRequire('./locale/' + name); const e = require; e('no');
     require(process.env.BINDING || 'a'); require(test ? './b' : "c"); require(x ?? 'd'); require(x + 'no');
     require(test ? './e/' + x : 'f');`,
  );
  assert.deepEqual(requires, ['a', './b', 'c', 'd', 'f']);
  assert.ok(patterns.some(({ pattern }) => pattern === './locale/*'));
});

test('finds WebAssembly that is named beside the code', () => {
  const { urls } = scanSource('/a.js', `f = 'm.wasm'; g("./n.wasm"); 'x/y.wasm'; \`\${z}.wasm\``);
  assert.deepEqual(urls, ['./m.wasm', './n.wasm']);
});

test('guesses where the lexer gives up', () => {
  const { requires } = scanSource('/a.js', 'const a = require("a"); const s = "unfinished');
  assert.ok(requires.includes('a'));
});

test('leaves most code alone, and looks closer at code that names files', () => {
  assert.equal(scanSource('/a.js', 'load(name); require(name)').suspicious, false);
  assert.equal(scanSource('/a.js', 'require("./lib/" + name)').suspicious, true);
  assert.equal(scanSource('/a.js', 'join(__dirname, "x")').suspicious, true);
  assert.equal(scanSource('/a.js', 'require("bindings")("addon")').suspicious, true);
});

test('takes source for a module exactly where Node.js does', () => {
  assert.equal(hasModuleSyntax('export default 1'), true);
  assert.equal(hasModuleSyntax('#!/usr/bin/env node\nimport "a"'), true);
  assert.equal(hasModuleSyntax('import.meta.url'), true);
  assert.equal(hasModuleSyntax('await 1'), true);
  assert.equal(hasModuleSyntax('const module = 1'), true);
  assert.equal(hasModuleSyntax('import("a")'), false);
  assert.equal(hasModuleSyntax('return 1'), false);
  assert.equal(hasModuleSyntax('// export default\nlet x = "import a from b"'), false);
  assert.equal(hasModuleSyntax('const { a } = syntax error export'), false);
});
