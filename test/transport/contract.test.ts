/** What every transport promises, asked of each in turn. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { TransportName } from '../../stage/transport/transport.ts';
import { mpis, type Mpi } from '../run-node.ts';
import type { Result, Setting } from './programs/transfer.ts';
import { Fixture, start } from './run.ts';
import { type Answer, serveWell, withServer } from './server.ts';

const program = fileURLToPath(new URL('programs/transfer.ts', import.meta.url));

/** A transport, and how many leaders there are. */
interface Case {
  transport: TransportName;
  ranks: number;
  mpi?: Mpi;
}

const cases: Case[] = (['self', 'file', 'http', 'mpi'] as const).map((transport) => ({
  transport,
  ranks: 1,
}));
for (const mpi of mpis) {
  cases.push({ transport: 'mpi', ranks: 2, mpi }, { transport: 'mpi', ranks: 4, mpi });
  cases.push({ transport: 'file', ranks: 3, mpi }, { transport: 'http', ranks: 3, mpi });
}

/** What is wrong with an archive, and how every transport says so. */
const failures: [source: string, what: string, code: RegExp][] = [
  ['none', 'is not there', /^ERR_WALLA_(ARCHIVE_MISSING|TRANSFER)$/],
  ['short', 'ends early', /^ERR_WALLA_(ARCHIVE_DAMAGED|TRANSFER)$/],
  ['changed', 'has other bytes than its manifest says', /^ERR_WALLA_ARCHIVE_DAMAGED$/],
];

describe('a transport', () => {
  let fixture: Fixture;
  const file = (name: string): string => join(fixture.root, name);

  before(() => {
    // Some MiB, so that there is a middle.
    const text = `export default ${JSON.stringify('x'.repeat(3 << 20))};\n`;
    fixture = new Fixture({ 'app.mjs': `import './large.mjs';\n`, 'large.mjs': text });
    const bytes = readFileSync(fixture.archive);
    const middle = bytes.length >> 1;
    writeFileSync(file('whole'), bytes);
    writeFileSync(file('short'), bytes.subarray(0, middle));
    bytes.writeUInt8(bytes.readUInt8(middle) ^ 1, middle);
    writeFileSync(file('changed'), bytes);
  });
  after(() => fixture.remove());

  const serve: Answer = (request, response, count) => {
    const name = (request.url ?? '').slice(1);
    if (name === 'none') response.writeHead(404).end();
    else void serveWell(readFileSync(file(name)))(request, response, count);
  };

  for (const { transport, ranks, mpi } of cases) {
    const where = mpi ? `to ${ranks} leaders under ${mpi.abi}` : 'to one leader';
    describe(`${transport} ${where}`, { skip: mpi?.skip ?? false }, () => {
      let results: Result[];
      let directory: string;
      const of = (name: string): Result[] => {
        const found = results.filter((result) => result.name === name);
        assert.equal(found.length, ranks);
        return found;
      };

      before(async () => {
        directory = fixture.directory('copies');
        results = await withServer(serve, async (server) => {
          const setting = (name: string, source: string): Setting => ({
            name,
            expected: file('whole'),
            directory,
            ...(transport === 'http'
              ? { url: server.url(`/${source}`) }
              : { source: file(source) }),
          });
          const settings = [
            ...failures.map(([source]) => setting(source, source)),
            // After the failures: none of them may spoil what comes next.
            setting('whole', 'whole'),
            { ...setting('has', 'whole'), has: ranks - 1 },
          ];
          const words = ['--import', 'tsx', program, transport, JSON.stringify(settings)];
          const { done } = mpi
            ? start(mpi.command, [...mpi.args, '-np', `${ranks}`, process.execPath, ...words])
            : start(process.execPath, words);
          const { signal, status, stdout, stderr } = await done;
          assert.deepEqual({ signal, status }, { signal: null, status: 0 }, stdout + stderr);
          const lines = [...stdout.matchAll(/\{"name".*\}/g)];
          return lines.map(([line]) => JSON.parse(line) as Result);
        });
      });

      test('brings every byte to every leader', () => {
        for (const { took, same, message } of of('whole'))
          assert.deepEqual([took, same, message], [true, true, undefined]);
      });

      test('leaves out a leader that has the image', () => {
        for (const { rank, took, same } of of('has'))
          assert.deepEqual([took, same], rank === ranks - 1 ? [false, false] : [true, true]);
      });

      for (const [source, what, code] of failures) {
        test(`fails alike on all leaders when the archive ${what}`, () => {
          for (const result of of(source)) {
            assert.match(result.code ?? 'no error', code);
            assert.equal(result.message, of(source)[0]?.message);
          }
        });
      }

      test('leaves nothing but the copies', () => {
        const names = readdirSync(directory, { recursive: true, encoding: 'utf8' });
        assert.deepEqual(
          names.filter((name) => !/^\w+-\d(\/copy)?$/.test(name)),
          [],
        );
      });
    });
  }
});
