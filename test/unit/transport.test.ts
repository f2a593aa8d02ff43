import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  isArchiveUrl,
  parseArchiveUrl,
  showUrl,
  withoutSecrets,
} from '../../stage/transport/archive-url.ts';
import { chooseTransport, TRANSPORTS } from '../../stage/transport/choose.ts';
import {
  contentLength,
  contentRange,
  retryAfterMs,
  versionOf,
} from '../../stage/transport/fetch/validators.ts';

test('only http and https are URLs of archives', () => {
  for (const url of ['http://h/a', 'https://h/a', 'HTTPS://h/a']) assert.ok(isArchiveUrl(url));
  for (const path of ['a.walla', '/a', 'ftp://h/a', 'file:///a', 'http:a', './http://h'])
    assert.ok(!isArchiveUrl(path));
});

test('a URL is shown without what may be a credential', () => {
  const show = (text: string): string => showUrl(new URL(text));
  assert.equal(show('https://user:pass@host:8443/a%20b?sig=1#x'), 'https://host:8443/a%20b?...');
  assert.equal(show('http://host/a'), 'http://host/a');
  assert.throws(() => parseArchiveUrl('http://user:secret@:x/'), {
    code: 'ERR_WALLA_OPTION',
    message: 'WALLA_ARCHIVE is not a valid URL',
  });
});

test('secrets of a URL are taken out of other texts, however they are written', () => {
  const url = new URL('https://me:p%40ss%2Fword@host/a.walla?token=a%2Bb%2Fc%3D&n=1');
  for (const text of [
    `failed: ${url.href}`,
    'GET /a.walla?token=a%2Bb%2Fc%3D&n=1 failed',
    'password p@ss/word or p%40ss%2Fword is wrong',
    'token a+b/c= has expired',
    'me:p%40ss%2Fword@host',
  ]) {
    const cleaned = withoutSecrets(text, url);
    assert.doesNotMatch(cleaned, /p@ss|p%40ss|a\+b|a%2Bb/, cleaned);
  }
  assert.equal(
    withoutSecrets('connect ECONNREFUSED', new URL('http://host/')),
    'connect ECONNREFUSED',
  );
});

test('a range is believed only when it makes sense', () => {
  assert.deepEqual(contentRange('bytes 5-9/10'), { start: 5, end: 9, total: 10 });
  assert.deepEqual(contentRange('bytes 5-9/*'), { start: 5, end: 9, total: undefined });
  for (const wrong of [
    undefined,
    '',
    'bytes */10',
    'bytes 9-5/10',
    'bytes 5-10/10',
    'items 1-2/3',
    'bytes 5-9/10, 11-12/13',
    'bytes -1-5/9',
  ])
    assert.equal(contentRange(wrong), undefined, wrong);
  assert.equal(contentLength({ 'content-length': '12' }), 12);
  for (const wrong of ['-1', '1e3', '12, 12', ' ', '9'.repeat(30)])
    assert.equal(contentLength({ 'content-length': wrong }), undefined, wrong);
});

test('a version can be resumed only when it names exact bytes', () => {
  const early = 'Mon, 01 Jan 2024 00:00:00 GMT';
  const late = 'Mon, 01 Jan 2024 00:00:01 GMT';
  const exact = (headers: Record<string, string>): string | undefined => versionOf(headers).exact;
  assert.equal(exact({ etag: '"a"', 'last-modified': early, date: late }), '"a"');
  assert.equal(exact({ etag: 'W/"a"', 'last-modified': early, date: late }), undefined);
  assert.equal(exact({ 'last-modified': early, date: late }), early);
  assert.equal(exact({ 'last-modified': early, date: early }), undefined);
  assert.equal(exact({ 'last-modified': early }), undefined);
  assert.equal(exact({}), undefined);
});

test('Retry-After is a number of seconds or a date', () => {
  assert.equal(retryAfterMs('3'), 3000);
  assert.equal(retryAfterMs(undefined), 0);
  assert.equal(retryAfterMs('soon'), 0);
  assert.equal(retryAfterMs('Mon, 01 Jan 2024 00:00:00 GMT'), 0);
  const ms = retryAfterMs(new Date(Date.now() + 600_000).toUTCString());
  assert.ok(ms > 0 && ms <= 600_000);
});

test('a transport that cannot work is refused', () => {
  assert.equal(chooseTransport('auto', 1, true), TRANSPORTS.self);
  assert.equal(chooseTransport('auto', 2, false), TRANSPORTS.mpi);
  assert.equal(chooseTransport('file', 9, true), TRANSPORTS.file);
  assert.equal(chooseTransport('file', 1, false), TRANSPORTS.file);
  assert.throws(() => chooseTransport('file', 2, false), { code: 'ERR_WALLA_OPTION' });
});
