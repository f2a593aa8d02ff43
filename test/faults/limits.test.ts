/** A process that may have little, or is told to use what nobody can: an error that says so, or a program that runs. */
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { leftBehind, preload } from '../run-node.ts';
import type { Ended } from './expect.ts';
import { runJob } from './job.ts';
import { FaultProgram } from './program.ts';

describe('one process', () => {
  let program: FaultProgram;
  let scratch: string;
  before(() => {
    program = new FaultProgram();
    scratch = mkdtempSync(join(tmpdir(), 'walla-limits-'));
  });
  after(() => {
    program.remove();
    rmSync(scratch, { recursive: true });
  });

  async function inShell(script: string, env: Record<string, string> = {}): Promise<Ended> {
    const words = [process.execPath, '--import', preload, program.entry];
    const ended = await runJob(['sh', '-c', `${script}; exec "$@"`, 'sh', ...words], {
      WALLA_ARCHIVE: program.archive,
      WALLA_DIR: scratch,
      ...env,
    });
    assert.equal(ended.timedOut, false);
    return ended;
  }

  function refused({ code, stderr }: Ended, message: RegExp): void {
    assert.equal(code, 1, stderr);
    assert.match(stderr, message);
    assert.match(stderr, /^hint: /m);
  }

  // Node.js itself needs some 20, and how many differs.
  for (const files of [20, 22, 24, 26]) {
    it(`that may open ${files} files runs, or says that it may not open more`, async () => {
      const ended = await inShell(`ulimit -n ${files}`);
      if (ended.code === 0) assert.equal(ended.stdout, program.output(1));
      else if (/^walla: /m.test(ended.stderr))
        refused(ended, /ERR_WALLA_NO_MEMORY: EMFILE: .*\nhint: .*ulimit -n/);
      else assert.match(ended.stderr, /EMFILE/);
    });
  }

  it('whose files may not be as large as the image says so', async () => {
    const ended = await inShell('ulimit -f 1000');
    refused(ended, /ERR_WALLA_NO_SPACE: EFBIG: .*\nhint: .*ulimit -f/);
    assert.deepEqual(leftBehind(scratch), []);
  });

  it('whose archive cannot be read says so', async () => {
    const ended = await inShell(':', { WALLA_ARCHIVE: '/proc/self/mem' });
    refused(ended, /ERR_WALLA_UNREADABLE: cannot read \/proc\/self\/mem: EIO/);
  });

  it('whose staging directory is one in which nothing can be made says so', async () => {
    refused(await inShell(':', { WALLA_DIR: '/proc' }), /ERR_WALLA_STAGING_DIRECTORY: .*\/proc/);
    const long = `/${'a'.repeat(5000)}`;
    refused(
      await inShell(':', { WALLA_DIR: long }),
      /ERR_WALLA_STAGING_DIRECTORY: .*\(ENAMETOOLONG\)/,
    );
  });

  it('whose working directory has been removed runs', async () => {
    const directory = join(scratch, 'gone');
    mkdirSync(directory);
    const { stdout, stderr } = await inShell(`cd ${directory}; rmdir ${directory}`);
    assert.equal(stderr, '');
    assert.equal(stdout, program.output(1));
  });
});
