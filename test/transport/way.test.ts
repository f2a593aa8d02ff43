/** The way to a server: credentials, redirects, proxies, certificates, and what becomes of a download whose job dies. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { createServer, type IncomingMessage, request as httpRequest } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { leftBehind, mpis, type Outcome } from '../run-node.ts';
import { Fixture } from './run.ts';
import { type Answer, ArchiveServer, serveWell, withServer } from './server.ts';

const SECRETS = ['us3rname', 's3cr3t', 't0ken', 'abc123sig'];
const USERINFO = 'us3rname:s3cr3t%21@';
const PATH = '/some/app.walla?token=t0ken&X-Amz-Signature=abc123sig';
const BASIC = `Basic ${Buffer.from('us3rname:s3cr3t!').toString('base64')}`;

/** Shows what its child processes would inherit, but for the variable that people set themselves. */
const FILES = {
  'app.mjs': `import './lib.mjs';
const { WALLA_ARCHIVE, ...env } = process.env;
console.log('done', JSON.stringify(env), process.title, process.argv.join());\n`,
  'lib.mjs': `export const text = ${JSON.stringify('x'.repeat(100_000))};\n`,
};

/** A certificate that signs itself; `file` holds it. */
const scratch = mkdtempSync(join(tmpdir(), 'walla-certificate-'));
after(() => rmSync(scratch, { recursive: true }));
const file = join(scratch, 'cert.pem');
const keyFile = join(scratch, 'key.pem');
const { status: opensslStatus } = spawnSync('openssl', [
  ...['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', '-subj', '/CN=walla test'],
  ...['-addext', 'subjectAltName=IP:127.0.0.1', '-keyout', keyFile, '-out', file],
]);
const skipTls = opensslStatus === 0 ? false : 'openssl cannot make a certificate here';
const tls = skipTls
  ? { key: '', cert: '' }
  : { key: readFileSync(keyFile, 'utf8'), cert: readFileSync(file, 'utf8') };

describe('the way to a server', () => {
  let fixture: Fixture;
  let bytes: Buffer;
  let good: Answer;

  before(() => {
    fixture = new Fixture(FILES);
    bytes = readFileSync(fixture.archive);
    good = serveWell(bytes);
  });
  after(() => fixture.remove());

  const environment = (url: string): NodeJS.ProcessEnv => ({
    WALLA_DIR: fixture.directory('base'),
    WALLA_DOWNLOADS: fixture.directory('downloads'),
    WALLA_VERBOSE: '1',
    WALLA_ARCHIVE: url,
  });
  const assertRan = ({ status, stdout, stderr }: Outcome): void => {
    assert.equal(status, 0, stderr);
    assert.match(stdout, /^done/);
    assert.doesNotMatch(stderr, /ERR_WALLA/);
  };
  const assertNoSecret = (text: string): void => {
    for (const secret of [...SECRETS, BASIC.slice(6)])
      assert.ok(!text.includes(secret), `${secret} is in ${text}`);
  };

  describe('credentials', () => {
    test('are sent to the server and shown to nobody', async () => {
      await withServer(good, async (server) => {
        const outcome = await fixture.start(environment(server.url(PATH, USERINFO))).done;
        assertRan(outcome);
        assert.equal(server.seen[0]?.headers.authorization, BASIC);
        assert.equal(server.seen[0].url, PATH);
        assert.match(outcome.stderr, /staged http:\/\/127\.0\.0\.1:\d+\/some\/app\.walla\?\.\.\./);
        assertNoSecret(outcome.stdout + outcome.stderr);
      });
    });

    const failures: [string, Answer, NodeJS.ProcessEnv?][] = [
      ['is not there', (_request, response) => void response.writeHead(404).end()],
      ['may not be read', (_request, response) => void response.writeHead(401).end()],
      ['never comes', () => undefined, { WALLA_HTTP_TIMEOUT: '0.5' }],
      ['breaks off', (_request, response) => void response.destroy()],
      ['is none', (request, response) => void response.end(request.url?.repeat(50))],
      [
        'is damaged',
        (_request, response) => void response.end(Buffer.from(bytes).fill('y', bytes.length >> 1)),
      ],
      [
        'is somewhere else',
        (request, response) =>
          void response.writeHead(302, { location: `ftp://h/${request.url}` }).end(),
      ],
      [
        'never comes, with Node.js printing what it does',
        (_request, response) => void response.destroy(),
        { NODE_DEBUG: 'undici,http,net,fetch,tls' },
      ],
      [
        'is not there, and the program runs unstaged',
        (_request, response) => void response.writeHead(404).end(),
        { WALLA_ON_ERROR: 'fallback' },
      ],
    ];
    for (const [what, answer, env] of failures) {
      test(`are not in the message when an archive ${what}`, async () => {
        await withServer(answer, async (server) => {
          const all = { ...environment(server.url(PATH, USERINFO)), ...env };
          const { stdout, stderr } = await fixture.start(all).done;
          assert.match(stderr, /ERR_WALLA_/);
          assertNoSecret(stdout + stderr);
        });
      });
    }

    test('are not in the message when the URL is none', async () => {
      const all = environment(`http://us3rname:s3cr3t@ho st:99999/x?t0ken`);
      const { stdout, stderr } = await fixture.start(all).done;
      assert.match(stderr, /ERR_WALLA_OPTION: WALLA_ARCHIVE is not a valid URL/);
      assertNoSecret(stdout + stderr);
    });

    for (const mpi of mpis)
      test(`are not in the message of the ranks of ${mpi.abi}`, { skip: mpi.skip }, async () => {
        await withServer(
          (_request, response) => void response.writeHead(404).end(),
          async (server) => {
            const all = environment(server.url(PATH, USERINFO));
            const { stdout, stderr } = await fixture.start(all, { mpi }).done;
            assert.match(stderr, /\[rank 0@.*\] ERR_WALLA_ARCHIVE_MISSING/);
            assertNoSecret(stdout + stderr);
          },
        );
      });

    test('are in the arguments of no process', async () => {
      let commands: string[] = [];
      const answer: Answer = async (request, response) => {
        await sleep(300);
        commands = readdirSync('/proc')
          .filter((name) => /^\d+$/.test(name))
          .map((pid) => {
            try {
              return readFileSync(`/proc/${pid}/cmdline`, 'latin1');
            } catch {
              return '';
            }
          });
        await good(request, response, 1);
      };
      await withServer(answer, async (server) => {
        assertRan(await fixture.start(environment(server.url(PATH, USERINFO))).done);
      });
      assert.ok(commands.some((command) => command.includes('dist/fetch.js')));
      assertNoSecret(commands.join());
    });

    test('are not in the name or the note of a kept download', async () => {
      await withServer(good, async (server) => {
        const env = environment(server.url(PATH, USERINFO));
        assertRan(await fixture.start(env).done);
        const directory = env['WALLA_DOWNLOADS'] ?? '';
        for (const name of readdirSync(directory, { recursive: true, encoding: 'utf8' })) {
          assertNoSecret(name);
          if (name.endsWith('.json')) assertNoSecret(readFileSync(join(directory, name), 'utf8'));
        }
      });
    });
  });

  describe('redirects', () => {
    test('to another origin get no credentials', async () => {
      await withServer(good, async (other) => {
        const answer: Answer = (_request, response) =>
          void response.writeHead(307, { location: other.url('/there?sig=1', 'a:b@') }).end();
        await withServer(answer, async (server) => {
          const outcome = await fixture.start(environment(server.url(PATH, USERINFO))).done;
          assertRan(outcome);
          assert.equal(server.seen[0]?.headers.authorization, BASIC);
          assert.equal(other.seen[0]?.headers.authorization, undefined);
          assert.equal(other.seen[0]?.headers.cookie, undefined);
          assertNoSecret(JSON.stringify(other.seen));
        });
      });
    });

    test('within one origin keep them', async () => {
      const answer: Answer = (request, response, count) =>
        count <= 5
          ? void response.writeHead(301, { location: `/hop${count}` }).end('gone')
          : good(request, response, count);
      await withServer(answer, async (server) => {
        assertRan(await fixture.start(environment(server.url(PATH, USERINFO))).done);
        assert.equal(server.seen.length, 6);
        for (const { headers } of server.seen) assert.equal(headers.authorization, BASIC);
      });
    });
  });

  describe('proxies', () => {
    interface Proxy {
      url: (userinfo?: string) => string;
      seen: { target: string; headers: IncomingMessage['headers'] }[];
    }
    /** Passes on plain requests, and opens tunnels. */
    const withProxy = async (action: (proxy: Proxy) => Promise<void>): Promise<void> => {
      const seen: Proxy['seen'] = [];
      const proxy = createServer((request, response) => {
        const { url: target = '', headers, method } = request;
        seen.push({ target, headers });
        if (!target.startsWith('http:')) return void response.writeHead(400).end();
        const onward = httpRequest(target, { method, headers }, (answer) => {
          response.writeHead(answer.statusCode ?? 502, answer.headers);
          answer.pipe(response);
        });
        onward.on('error', () => response.destroy()).end();
      });
      proxy.on('connect', (request: IncomingMessage, socket: Socket) => {
        const { url: target = '', headers } = request;
        seen.push({ target, headers });
        const [host, port] = target.split(':');
        const onward = connect(Number(port), host, () => {
          socket.write('HTTP/1.1 200 Connection established\r\n\r\n');
          onward.pipe(socket).pipe(onward);
        });
        for (const end of [socket, onward]) end.on('error', () => undefined);
      });
      await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve));
      const { port } = proxy.address() as AddressInfo;
      try {
        await action({ url: (userinfo = '') => `http://${userinfo}127.0.0.1:${port}`, seen });
      } finally {
        proxy.close();
        proxy.closeAllConnections();
      }
    };

    test('of http_proxy are used, with their credentials, and without a tunnel', async () => {
      await withProxy(async (proxy) => {
        await withServer(good, async (server) => {
          const env = {
            ...environment(server.url(PATH, USERINFO)),
            http_proxy: proxy.url('proxyman:pr0xypass@'),
          };
          const outcome = await fixture.start(env).done;
          assertRan(outcome);
          assert.equal(server.seen.length, 1);
          assert.deepEqual(
            proxy.seen.map(({ target }) => target),
            [server.url(PATH)],
          );
          const basic = `Basic ${Buffer.from('proxyman:pr0xypass').toString('base64')}`;
          assert.equal(proxy.seen[0]?.headers['proxy-authorization'], basic);
        });
      });
    });

    test('are left out for hosts of no_proxy', async () => {
      await withProxy(async (proxy) => {
        await withServer(good, async (server) => {
          const env = { http_proxy: proxy.url(), no_proxy: 'example.org,127.0.0.1' };
          assertRan(await fixture.start({ ...environment(server.url(PATH)), ...env }).done);
          assert.equal(server.seen.length, 1);
          assert.deepEqual(proxy.seen, []);
        });
      });
    });

    test('that nobody answers for end with a message without their password', async () => {
      const env = { http_proxy: 'http://proxyman:pr0xypass@127.0.0.1:1' };
      const all = { ...environment('http://archive.example/app.walla'), ...env };
      const { status, stderr } = await fixture.start(all).done;
      assert.match(stderr, /ERR_WALLA_TRANSFER: .*archive\.example.*ECONNREFUSED.*5 attempts/);
      assert.ok(!stderr.includes('pr0xypass'), stderr);
      assert.equal(status, 1);
    });

    test('that are no URL end with a message without their password', async () => {
      const env = { http_proxy: 'http://proxyman:pr0xypass@ho st:1' };
      const all = { ...environment('http://archive.example/app.walla'), ...env };
      const { status, stdout, stderr } = await fixture.start(all).done;
      assert.match(stderr, /ERR_WALLA_TRANSFER: the proxy .* is no URL/);
      assert.ok(!(stdout + stderr).includes('pr0xypass'), stderr);
      assert.equal(status, 1);
    });

    test('of https_proxy open a tunnel', { skip: skipTls }, async () => {
      await withProxy(async (proxy) => {
        await withServer(
          good,
          async (server) => {
            const env = { https_proxy: proxy.url(), NODE_EXTRA_CA_CERTS: file };
            assertRan(
              await fixture.start({ ...environment(server.url(PATH, USERINFO)), ...env }).done,
            );
            assert.deepEqual(
              proxy.seen.map(({ target }) => target),
              [`127.0.0.1:${server.port}`],
            );
            assertNoSecret(JSON.stringify(proxy.seen));
          },
          tls,
        );
      });
    });
  });

  describe('certificates', { skip: skipTls }, () => {
    test('are believed when NODE_EXTRA_CA_CERTS names them, and not otherwise', async () => {
      await withServer(
        good,
        async (server) => {
          const env = environment(server.url(PATH, USERINFO));
          const refused = await fixture.start(env).done;
          assert.match(
            refused.stderr,
            /ERR_WALLA_TRANSFER: cannot trust https:[^]*hint: .*NODE_EXTRA_CA_CERTS/,
          );
          assert.equal(refused.stdout, '');
          assertNoSecret(refused.stderr);
          assert.deepEqual(server.seen, []);
          assertRan(await fixture.start({ ...env, NODE_EXTRA_CA_CERTS: file }).done);
        },
        tls,
      );
    });

    test('are not given up by a redirect to plain http', async () => {
      await withServer(good, async (plain) => {
        await withServer(
          (_request, response) => void response.writeHead(302, { location: plain.url('/x') }).end(),
          async (server) => {
            const env = { ...environment(server.url(PATH)), NODE_EXTRA_CA_CERTS: file };
            const { stderr } = await fixture.start(env).done;
            assert.match(stderr, /ERR_WALLA_TRANSFER: .*redirected to http:.*not https/);
            assert.deepEqual(plain.seen, []);
          },
          tls,
        );
      });
    });
  });

  test('is given up when the job is killed, and nothing is left', async () => {
    let began: () => void = () => undefined;
    const beginning = new Promise<void>((resolve) => (began = resolve));
    let ended: () => void = () => undefined;
    const end = new Promise<void>((resolve) => (ended = resolve));
    const answer: Answer = async (request, response) => {
      response.on('close', ended);
      response.writeHead(200, { 'content-length': bytes.length });
      response.write(bytes.subarray(0, 50_000));
      began();
      for (let at = 50_000; at < bytes.length && !request.destroyed; at += 10) {
        response.write(bytes.subarray(at, at + 10));
        await sleep(5);
      }
    };
    const server = await new ArchiveServer(answer).listen();
    try {
      const base = fixture.directory('base');
      const env = {
        ...environment(server.url(PATH)),
        WALLA_DIR: base,
        WALLA_DOWNLOADS: 'off',
      };
      const { pid, done } = fixture.start(env);
      await beginning;
      await sleep(200);
      process.kill(pid, 'SIGKILL');
      assert.equal((await done).signal, 'SIGKILL');
      // The child lets go of the connection; the test's own time is the bound.
      await end;
      // An empty directory with its locks is all; the next job takes it away.
      assertRan(await fixture.start({ ...env, WALLA_ARCHIVE: fixture.archive }).done);
      assert.deepEqual(leftBehind(base), []);
      assert.deepEqual(readdirSync(base), []);
    } finally {
      server.close();
    }
  });
});
