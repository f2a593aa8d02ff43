/** A rank opens one addon, and its workers use the same: what the core keeps in memory is for all threads. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { addonFile } from '../../native/addon-path.ts';
import { Application, mpis, packProgram, runStaged } from '../run-node.ts';

const PROGRAM = `
import { readFileSync } from 'node:fs';
import { Worker } from 'node:worker_threads';
const rank = process.env.OMPI_COMM_WORLD_RANK ?? process.env.PMI_RANK;
// One each: a rank that writes truncates what another one may be reading.
const texts = [new URL('./text-0.txt', import.meta.url), new URL('./text-1.txt', import.meta.url)];
const workerData = texts[rank].href;
const worker = new Worker(new URL('./worker.mjs', import.meta.url), { workerData });
await new Promise((resolve, reject) => worker.once('exit', resolve).once('error', reject));
const addons = new Set(readFileSync('/proc/self/maps', 'utf8').match(/[^/\\s]*\\.node$/gm));
const text = readFileSync(texts[rank], 'utf8');
console.log(['rank', rank, ...addons, text].join(' '));
`;
const WORKER = `
import { writeFileSync } from 'node:fs';
import { workerData } from 'node:worker_threads';
writeFileSync(new URL(workerData), 'written by the worker');
`;

describe('a rank that is not root', () => {
  let app: Application;
  before(() => {
    app = new Application({
      'app.mjs': PROGRAM,
      'worker.mjs': WORKER,
      'text-0.txt': 'as packed',
      'text-1.txt': 'as packed',
    });
    packProgram(app.path('app.mjs'), app.path('app.walla'));
  });
  after(() => {
    app.remove();
  });

  for (const mpi of mpis) {
    it(`loads one addon with its workers under ${mpi.abi}`, { skip: mpi.skip }, () => {
      const env = { WALLA_ARCHIVE: app.path('app.walla'), WALLA_STALE: 'use' };
      const { status, stdout, stderr } = runStaged([app.path('app.mjs')], { mpi, ranks: 2, env });
      assert.equal(status, 0, stderr);
      const name = addonFile(`mpi-${mpi.abi}`).slice('dist/'.length);
      assert.match(
        stdout,
        new RegExp(`rank 1 ${name.replaceAll('.', '\\.')} written by the worker`),
      );
      assert.match(stdout, /rank 0 .* written by the worker/);
    });
  }
});
