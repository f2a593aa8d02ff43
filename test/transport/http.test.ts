/** Archives on servers: good ones, and all the ways in which a server can be bad. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { chmodSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer as createPlainServer } from 'node:net';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { gzipSync } from 'node:zlib';
import { leftBehind, mpis, type Outcome } from '../run-node.ts';
import { Fixture } from './run.ts';
import {
  type Answer,
  breakAfter,
  type Seen,
  rangeStart,
  serveRange,
  serveWell,
  withServer,
} from './server.ts';

const PATH = '/some/app.walla';

/** Large enough that a connection can break in the middle. */
const FILES = {
  'app.mjs': `import { words } from './words.mjs';\nconsole.log('app says', words.length);\n`,
  'words.mjs': `export const words = ${JSON.stringify('wörd '.repeat(100_000))};\n`,
  'package.json': `{"name":"app"}`,
};
/** For servers that let us wait. Others get longer than a loaded machine may need. */
const IMPATIENT = { WALLA_HTTP_TIMEOUT: '1' };
const SAYS = `app says ${100_000 * 5}\n`;

describe('an archive named by URL', () => {
  let fixture: Fixture;
  let bytes: Buffer;

  before(() => {
    fixture = new Fixture(FILES);
    bytes = readFileSync(fixture.archive);
  });
  after(() => fixture.remove());

  interface Run extends Outcome {
    seen: Seen[];
  }

  /** Runs the program with a server that answers so. */
  const run = (answer: Answer, env: NodeJS.ProcessEnv = {}): Promise<Run> =>
    withServer(answer, async (server) => {
      const base = fixture.directory('base');
      const outcome = await fixture.start({
        WALLA_DIR: base,
        WALLA_DOWNLOADS: 'off',
        WALLA_HTTP_TIMEOUT: '20',
        WALLA_ARCHIVE: server.url(PATH),
        ...env,
      }).done;
      assert.deepEqual(leftBehind(base), []);
      return { ...outcome, seen: server.seen };
    });

  const assertRan = ({ status, stdout, stderr }: Outcome): void =>
    assert.deepEqual({ status, stdout, stderr }, { status: 0, stdout: SAYS, stderr: '' });

  const assertRefused = ({ status, stdout, stderr }: Outcome, message: RegExp): void => {
    assert.match(stderr, message);
    assert.match(stderr, /\nhint: /);
    assert.deepEqual({ status, stdout }, { status: 1, stdout: '' });
  };

  describe('on a server that works in the end', { concurrency: 2 }, () => {
    test('is downloaded by one request', async () => {
      const outcome = await run(serveWell(bytes));
      assertRan(outcome);
      assert.equal(outcome.seen.length, 1);
      assert.equal(outcome.seen[0]?.headers['accept-encoding'], 'identity');
    });

    test('is unpacked when it is compressed', async () => {
      assertRan(await run(serveWell(gzipSync(bytes))));
    });

    const goodInTheEnd: [string, Answer, NodeJS.ProcessEnv?][] = [
      [
        'sends it in chunks without a length',
        (_request, response) => void response.writeHead(200).end(bytes),
      ],
      [
        'answers 503 twice',
        (request, response, count) =>
          count <= 2 ? void response.writeHead(503).end() : serveWell(bytes)(request, response, 0),
      ],
      [
        'hangs up without an answer',
        (request, response, count) =>
          count <= 2 ? void response.destroy() : serveWell(bytes)(request, response, 0),
      ],
      [
        'does not answer the first time',
        (request, response, count) =>
          count === 1 ? undefined : serveWell(bytes)(request, response, 0),
        IMPATIENT,
      ],
      [
        'sends an empty body the first time',
        (request, response, count) =>
          count === 1 ? void response.writeHead(200).end() : serveWell(bytes)(request, response, 0),
      ],
    ];
    for (const [what, answer, env] of goodInTheEnd)
      test(`survives one that ${what}`, async () => assertRan(await run(answer, env)));

    test('goes on where a broken connection stopped', async () => {
      const third = Math.floor(bytes.length / 3);
      const outcome = await run(async (request, response, count) => {
        const from = rangeStart(request) ?? 0;
        response.setHeader('etag', '"v1"');
        if (count === 3) return serveRange(response, bytes, from);
        response.writeHead(count === 1 ? 200 : 206, {
          'content-length': bytes.length - from,
          ...(count === 1
            ? {}
            : { 'content-range': `bytes ${from}-${bytes.length - 1}/${bytes.length}` }),
        });
        await breakAfter(response, bytes.subarray(from, from + third));
      });
      assertRan(outcome);
      assert.deepEqual(
        outcome.seen.map(({ headers }) => [headers.range, headers['if-range']]),
        [
          [undefined, undefined],
          [`bytes=${third}-`, '"v1"'],
          [`bytes=${2 * third}-`, '"v1"'],
        ],
      );
    });

    test('goes on in the middle of a compressed archive', async () => {
      // Random bytes, so that the compressed archive is long too.
      const packed = gzipSync(bytes, { level: 0 });
      const half = packed.length >> 1;
      const outcome = await run(async (request, response, count) => {
        response.setHeader('etag', '"v1"');
        if (count === 2) return serveRange(response, packed, rangeStart(request) ?? 0);
        response.writeHead(200, { 'content-length': packed.length });
        await breakAfter(response, packed.subarray(0, half));
      });
      assertRan(outcome);
      assert.equal(outcome.seen[1]?.headers.range, `bytes=${half}-`);
    });

    const half = (): Buffer => bytes.subarray(0, bytes.length >> 1);
    const broken = async (
      response: Parameters<Answer>[1],
      headers: Record<string, string>,
    ): Promise<void> => {
      response.writeHead(200, { 'content-length': bytes.length, ...headers });
      await breakAfter(response, half());
    };
    const startsOver: [string, Answer][] = [
      [
        'answers a range with the whole file',
        (_request, response, count) =>
          count === 1
            ? broken(response, { etag: '"v1"' })
            : void response.writeHead(200, { etag: '"v1"' }).end(bytes),
      ],
      [
        'has another version by then',
        (request, response, count) =>
          count === 1
            ? broken(response, { etag: '"old"' })
            : serveWell(bytes, '"new"')(request, response, 0),
      ],
      [
        'has no version to hold on to',
        (request, response, count) => {
          if (count === 1) return broken(response, {});
          assert.equal(request.headers.range, undefined);
          response.writeHead(200).end(bytes);
        },
      ],
      [
        'has a weak version only',
        (request, response, count) => {
          if (count === 1) return broken(response, { etag: 'W/"v1"' });
          assert.equal(request.headers.range, undefined);
          response.writeHead(200).end(bytes);
        },
      ],
      [
        'sends another range than asked for',
        (_request, response, count) => {
          response.setHeader('etag', '"v1"');
          if (count === 1) return broken(response, {});
          if (count === 2) return serveRange(response, bytes, 7);
          response.writeHead(200).end(bytes);
        },
      ],
      [
        'sends a range of another length',
        (request, response, count) => {
          response.setHeader('etag', '"v1"');
          if (count === 1) return broken(response, {});
          const from = rangeStart(request) ?? 0;
          if (count === 2)
            return serveRange(response, Buffer.concat([bytes, Buffer.alloc(9)]), from);
          response.writeHead(200).end(bytes);
        },
      ],
      [
        'sends a range of another version',
        (request, response, count) => {
          if (count === 1) return broken(response, { etag: '"v1"' });
          response.setHeader('etag', '"v2"');
          if (count === 2) return serveRange(response, bytes, rangeStart(request) ?? 0);
          response.writeHead(200).end(bytes);
        },
      ],
      [
        'says that the range is not there',
        (_request, response, count) => {
          response.setHeader('etag', '"v1"');
          if (count === 1) return broken(response, {});
          if (count === 2) return void response.writeHead(416).end();
          response.writeHead(200).end(bytes);
        },
      ],
    ];
    for (const [what, answer] of startsOver)
      test(`starts over with one that ${what}`, async () => assertRan(await run(answer)));

    test('resumes by date when the file has settled', async () => {
      const lastModified = new Date(Date.now() - 60_000).toUTCString();
      const outcome = await run((request, response, count) => {
        response.setHeader('last-modified', lastModified);
        if (count === 1) return broken(response, {});
        serveRange(response, bytes, rangeStart(request) ?? 0);
      });
      assertRan(outcome);
      assert.equal(outcome.seen[1]?.headers['if-range'], lastModified);
    });

    test('waits as Retry-After asks, but no longer than the timeout', async () => {
      const started = performance.now();
      assertRan(
        await run(
          (request, response, count) =>
            count === 1
              ? void response.writeHead(429, { 'retry-after': '3600' }).end()
              : serveWell(bytes)(request, response, 0),
          IMPATIENT,
        ),
      );
      assert.ok(performance.now() - started < 60_000);
    });
  });

  // Most of the time goes by between attempts.
  describe('on a server that does not', { concurrency: 4 }, () => {
    const size = (): number => bytes.length;
    const counted = /received \d+ of (\d+|an unknown number of) bytes in \d+ attempts/;
    const transfer = (text: string): RegExp =>
      new RegExp(`ERR_WALLA_TRANSFER: .*http://127\\.0\\.0\\.1:\\d+${PATH}.*${text}`);

    const bad: [string, Answer, RegExp, RegExp?][] = [
      ['never answers', () => undefined, transfer('did not answer for 1 s'), counted],
      [
        'stalls in the middle, each time',
        (_request, response) => {
          response.writeHead(200, { etag: '"v1"', 'content-length': size() });
          response.write(bytes.subarray(0, 5000));
        },
        transfer('sent nothing for 1 s'),
        counted,
      ],
      [
        'trickles',
        async (_request, response) => {
          response.writeHead(200, { 'content-length': size() });
          for (let at = 0; at < 100 && !response.destroyed; at++) {
            response.write(bytes.subarray(at, at + 1));
            await sleep(200);
          }
        },
        transfer('sent next to nothing for 1 s'),
        counted,
      ],
      [
        'breaks off each time at the same place',
        async (request, response) => {
          response.writeHead(rangeStart(request) === undefined ? 200 : 206, {
            etag: '"v1"',
            'content-length': size(),
            'content-range': `bytes 9000-${size() - 1}/${size()}`,
          });
          await breakAfter(
            response,
            rangeStart(request) === undefined ? bytes.subarray(0, 9000) : Buffer.from([]),
          );
        },
        transfer(`received 9000 of \\d+ bytes in 5 attempts`),
        counted,
      ],
      [
        'says it has more than it sends',
        (_request, response) => {
          response.writeHead(200, { 'content-length': size() + 1000 });
          response.write(bytes);
          response.end();
        },
        transfer(''),
      ],
      [
        'says it has less than the archive has',
        (_request, response) => {
          response.writeHead(200, { 'content-length': size() - 1000 });
          response.end(bytes.subarray(0, size() - 1000));
        },
        transfer(`has \\d+ bytes, and the archive's manifest says \\d+`),
      ],
      [
        'sends more than the archive has',
        (_request, response) =>
          void response.writeHead(200).end(Buffer.concat([bytes, Buffer.alloc(99)])),
        transfer('sends more than the \\d+ bytes'),
      ],
      [
        'sends for ever',
        async (_request, response) => {
          response.writeHead(200);
          for (let i = 0; i < 10_000 && !response.destroyed; i++) {
            response.write(i === 0 ? bytes : Buffer.alloc(65_536));
            await sleep(1);
          }
        },
        transfer('sends more than the \\d+ bytes'),
      ],
      [
        'sends garbage for ever',
        async (_request, response) => {
          response.writeHead(200);
          for (let i = 0; i < 10_000 && !response.destroyed; i++) {
            response.write(Buffer.alloc(65_536, 'x'));
            await sleep(1);
          }
        },
        /ERR_WALLA_ARCHIVE_FORMAT: .*not a walla archive/,
      ],
      [
        'sends another page',
        (_request, response) => void response.writeHead(200).end('<html>Log in first</html>'),
        /ERR_WALLA_ARCHIVE_FORMAT: .*not a walla archive/,
      ],
      [
        'sends a changed byte',
        (_request, response) => {
          const changed = Buffer.from(bytes);
          changed.writeUInt8(changed.readUInt8(size() >> 1) ^ 1, size() >> 1);
          response.end(changed);
        },
        /ERR_WALLA_ARCHIVE_DAMAGED: .*digest/,
      ],
      [
        'mixes two versions in one transfer',
        async (request, response, count) => {
          response.setHeader('etag', '"v1"');
          const other = Buffer.from(bytes).fill('y', size() - 2000, size() - 1500);
          if (count > 1) return serveRange(response, other, rangeStart(request) ?? 0);
          response.writeHead(200, { 'content-length': size() });
          await breakAfter(response, bytes.subarray(0, size() >> 1));
        },
        /ERR_WALLA_ARCHIVE_DAMAGED: .*digest/,
      ],
      [
        'answers 500 each time',
        (_request, response) => void response.writeHead(500).end(),
        transfer('answered 500'),
        counted,
      ],
      [
        'answers 304 to nothing',
        (_request, response) => void response.writeHead(304).end(),
        transfer('304'),
        counted,
      ],
      [
        'sends part of it unasked',
        (_request, response) => serveRange(response, bytes, 5),
        transfer('answered 206'),
      ],
      [
        'does not have it',
        (_request, response) => void response.writeHead(404).end(),
        /ERR_WALLA_ARCHIVE_MISSING: .*404/,
      ],
      [
        'does not let us',
        (_request, response) => void response.writeHead(403).end(),
        /ERR_WALLA_UNREADABLE: .*403[^]*hint: give user and password/,
      ],
      [
        'sends us round and round',
        (request, response) => void response.writeHead(302, { location: request.url }).end(),
        /ERR_WALLA_TRANSFER: .*redirected more than 5 times/,
      ],
      [
        'sends us to a file',
        (_request, response) =>
          void response.writeHead(302, { location: 'file:///etc/passwd' }).end(),
        /ERR_WALLA_TRANSFER: .*redirected to .*not https/,
      ],
      [
        'sends a gzip bomb',
        (_request, response) =>
          void response.end(gzipSync(Buffer.concat([bytes, Buffer.alloc(64 << 20)]))),
        /ERR_WALLA_ARCHIVE_DAMAGED: .*longer than the \d+ bytes/,
      ],
    ];
    for (const [what, answer, message, more] of bad) {
      test(`ends with a message when it ${what}`, async () => {
        const waits = /answers|stalls|trickles/.test(what);
        const outcome = await run(answer, waits ? IMPATIENT : {});
        assertRefused(outcome, message);
        if (more) assert.match(outcome.stderr, more);
        assert.ok(outcome.seen.length <= 12, `${outcome.seen.length} requests`);
      });
    }

    test('ends with a message when nobody listens', async () => {
      const outcome = await run(() => undefined, { WALLA_ARCHIVE: `http://127.0.0.1:1${PATH}` });
      assertRefused(
        outcome,
        /ERR_WALLA_TRANSFER: .*ECONNREFUSED.*0 of an unknown number.*5 attempts/,
      );
    });

    test('ends with a message when it speaks no HTTP', async () => {
      const server = createPlainServer((socket) => {
        socket.on('error', () => undefined);
        socket.end('220 smtp.example ESMTP\r\n');
      });
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
      try {
        const { port } = server.address() as { port: number };
        const outcome = await run(() => undefined, {
          WALLA_ARCHIVE: `http://127.0.0.1:${port}${PATH}`,
        });
        assertRefused(outcome, /ERR_WALLA_TRANSFER: .*5 attempts/);
      } finally {
        server.close();
      }
    });

    test('runs unstaged after a failure when asked to fall back', async () => {
      const { status, stdout, stderr } = await run(
        (_request, response) => void response.writeHead(404).end(),
        { WALLA_ON_ERROR: 'fallback' },
      );
      assert.deepEqual({ status, stdout }, { status: 0, stdout: SAYS });
      assert.match(stderr, /ERR_WALLA_ARCHIVE_MISSING[^]*running unstaged/);
    });
  });

  test('is refused when the source tree changed, unless told to use it', async () => {
    const own = new Fixture({ ...FILES, 'words.mjs': 'export const words = "old";\n' });
    try {
      own.app.write('words.mjs', 'export const words = "edited";\n');
      await withServer(serveWell(readFileSync(own.archive)), async (server) => {
        const env = {
          WALLA_ARCHIVE: server.url(PATH),
          WALLA_DOWNLOADS: 'off',
          WALLA_DIR: own.root,
        };
        assertRefused(await own.start(env).done, /ERR_WALLA_STALE: http:.*words\.mjs was changed/);
        const { status, stdout } = await own.start({ ...env, WALLA_STALE: 'use' }).done;
        assert.deepEqual({ status, stdout }, { status: 0, stdout: 'app says 3\n' });
        assert.deepEqual(leftBehind(own.root), []);
      });
    } finally {
      own.remove();
    }
  });

  for (const mpi of mpis) {
    test(`is downloaded once by a job of ${mpi.abi}`, { skip: mpi.skip }, async () => {
      await withServer(serveWell(bytes), async (server) => {
        const base = fixture.directory('base');
        const env = { WALLA_DIR: base, WALLA_DOWNLOADS: 'off', WALLA_ARCHIVE: server.url(PATH) };
        const { status, stdout, stderr } = await fixture.start(env, { mpi, ranks: 3 }).done;
        assert.deepEqual(
          { status, stderr, stdout },
          { status: 0, stderr: '', stdout: SAYS.repeat(3) },
        );
        assert.equal(server.seen.length, 1);
        assert.deepEqual(leftBehind(base), []);
      });
    });

    test(`fails once on all ranks of ${mpi.abi}`, { skip: mpi.skip }, async () => {
      await withServer(
        (_request, response) => void response.destroy(),
        async (server) => {
          const base = fixture.directory('base');
          const env = { WALLA_DIR: base, WALLA_DOWNLOADS: 'off', WALLA_ARCHIVE: server.url(PATH) };
          const { status, stdout, stderr } = await fixture.start(env, { mpi, ranks: 3 }).done;
          assert.equal(stdout, '');
          assert.notEqual(status, 0);
          assert.equal(stderr.match(/ERR_WALLA_/g)?.length, 1, stderr);
          assert.match(stderr, /\[rank 0@.*\] ERR_WALLA_TRANSFER/);
          assert.deepEqual(leftBehind(base), []);
        },
      );
    });
  }

  describe('kept downloads', () => {
    interface Kept {
      env: NodeJS.ProcessEnv;
      directory: string;
      seen: Seen[];
      run: () => Promise<Outcome>;
    }
    const withKept = (answer: Answer, action: (kept: Kept) => Promise<void>): Promise<void> =>
      withServer(answer, async (server) => {
        const downloads = fixture.directory('downloads');
        const base = fixture.directory('base');
        const env = {
          WALLA_DIR: base,
          WALLA_DOWNLOADS: downloads,
          WALLA_ARCHIVE: server.url(PATH),
        };
        const directory = join(downloads, `walla-${process.geteuid?.() ?? 0}`);
        const run = (): Promise<Outcome> => fixture.start(env).done;
        await action({ env, directory, seen: server.seen, run });
        assert.deepEqual(leftBehind(base), []);
      });
    const kept = (directory: string): string => {
      const names = readdirSync(directory);
      assert.equal(names.length, 2, names.join());
      return join(directory, names.find((name) => name.endsWith('.walla')) ?? '');
    };

    test('are used again when the server says that nothing changed', async () => {
      const sent: number[] = [];
      const good = serveWell(bytes);
      const answer: Answer = (request, response, count) => {
        response.on('finish', () => sent.push(response.statusCode));
        return good(request, response, count);
      };
      await withKept(answer, async ({ run, directory }) => {
        assertRan(await run());
        const mode = (path: string): number => statSync(path).mode & 0o777;
        assert.equal(mode(directory), 0o700);
        for (const name of readdirSync(directory)) assert.equal(mode(join(directory, name)), 0o600);
        assert.deepEqual(readFileSync(kept(directory)), bytes);
        assertRan(await run());
        assert.deepEqual(sent, [200, 304]);
      });
    });

    test('are replaced when the server has another version', async () => {
      let etag = '"v1"';
      await withKept(
        (request, response) => serveWell(bytes, etag)(request, response, 0),
        async ({ run, directory, seen }) => {
          assertRan(await run());
          etag = '"v2"';
          assertRan(await run());
          assertRan(await run());
          assert.deepEqual(
            seen.map(({ headers }) => headers['if-none-match']),
            [undefined, '"v1"', '"v2"'],
          );
          kept(directory);
        },
      );
    });

    const spoilt: [string, (file: string) => void][] = [
      [
        'has a changed byte',
        (file) => {
          const other = readFileSync(file);
          other.writeUInt8(other.readUInt8(other.length >> 1) ^ 1, other.length >> 1);
          writeFileSync(file, other);
        },
      ],
      ['was cut off', (file) => writeFileSync(file, readFileSync(file).subarray(0, 5000))],
      ['is gone', (file) => rmSync(file)],
      ['can be read by others', (file) => chmodSync(file, 0o644)],
      ['has a note that is no JSON', (file) => writeFileSync(file.replace(/walla$/, 'json'), '{')],
    ];
    for (const [what, spoil] of spoilt) {
      test(`are not believed when a copy ${what}`, async () => {
        await withKept(serveWell(bytes), async ({ run, directory, seen }) => {
          assertRan(await run());
          spoil(kept(directory));
          assertRan(await run());
          assert.deepEqual(
            seen.map(({ headers }) => headers['if-none-match']),
            [undefined, undefined],
          );
          assert.deepEqual(readFileSync(kept(directory)), bytes);
        });
      });
    }

    test('are not looked for in a directory that others can write', async () => {
      await withKept(serveWell(bytes), async ({ run, directory, seen }) => {
        assertRan(await run());
        chmodSync(directory, 0o777);
        assertRefused(await run(), /ERR_WALLA_STAGING_DIRECTORY: cannot keep downloads/);
        assert.equal(seen.length, 1);
      });
    });

    test('leave nothing of a download that failed', async () => {
      await withKept(
        (_request, response) => void response.end(Buffer.concat([bytes, bytes])),
        async ({ run, directory }) => {
          assertRefused(await run(), /ERR_WALLA_TRANSFER/);
          assert.deepEqual(readdirSync(directory), []);
        },
      );
    });

    test('hold the plain archive of a compressed one', async () => {
      await withKept(serveWell(gzipSync(bytes)), async ({ run, directory }) => {
        assertRan(await run());
        assertRan(await run());
        const sha256 = (data: Buffer): string => createHash('sha256').update(data).digest('hex');
        assert.equal(sha256(readFileSync(kept(directory))), sha256(bytes));
      });
    });
  });
});
