import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { ERROR_CODES, WallaError } from '../../stage/errors.ts';
import { readOptions, VARIABLE_NAMES } from '../../stage/options.ts';
import { packageRoot } from '../run-node.ts';

function docs(name: string): string {
  return readFileSync(join(packageRoot, 'docs', name), 'utf8');
}

test('docs/errors.md explains every code, and no other', () => {
  const explained = [...docs('errors.md').matchAll(/^\| `(ERR_WALLA_\w+)`/gm)].map(
    (match) => match[1],
  );
  assert.deepEqual(explained.sort(), [...ERROR_CODES].sort());
});

test('docs/environment.md names every variable, and no other', () => {
  const named = [...docs('environment.md').matchAll(/`(WALLA(?:_[A-Z]+)*)`/g)].map(
    (match) => match[1] ?? '',
  );
  assert.deepEqual([...new Set(named)].sort(), [...VARIABLE_NAMES].sort());
});

test('an error says what happened and where, then what to type', () => {
  const error = new WallaError('ERR_WALLA_NO_SPACE', 'archive needs 2 GiB', {
    rank: 3,
    host: 'nid001',
  });
  const [first, second, ...rest] = error.report(4).split('\n');
  assert.equal(
    first,
    'walla: [rank 3@nid001] ERR_WALLA_NO_SPACE: archive needs 2 GiB (and 3 more ranks alike)',
  );
  assert.match(second ?? '', /^hint: set WALLA_DIR/);
  assert.deepEqual(rest, ['']);
});

test('an error of another kind gets a code and keeps its text', () => {
  const error = WallaError.from(new TypeError('odd'));
  assert.equal(error.code, 'ERR_WALLA_INTERNAL');
  assert.equal(error.message, 'odd');
  assert.ok(error.cause instanceof TypeError);
});

test('a misspelt variable and a misspelt value are errors that name the nearest', () => {
  assert.throws(() => readOptions({ WALLA_KEPT: '1' }), {
    code: 'ERR_WALLA_OPTION',
    message: /did you mean "WALLA_KEEP"/,
  });
  assert.throws(() => readOptions({ WALLA_ON_ERROR: 'fallbak' }), {
    code: 'ERR_WALLA_OPTION',
    message: /did you mean "fallback"/,
  });
});

test('without variables staging checks, stops at errors and shadows fs', () => {
  assert.deepEqual(readOptions({ PATH: '/bin' }), {
    archive: undefined,
    directory: undefined,
    keep: false,
    onError: 'stop',
    stale: 'check',
    verbose: false,
    shadow: true,
    report: undefined,
    transport: 'auto',
    downloads: undefined,
    httpTimeoutMs: 30_000,
  });
});
