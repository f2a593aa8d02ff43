/**
 * Entry of dist/prestage.cjs, which `walla run` starts once a node: one file, since each node reads it.
 *
 *     node prestage.cjs place ARCHIVE keep|lease [progress]   says what it placed as one line of JSON
 *     node prestage.cjs remove NAME...
 *
 * With `progress` lines before that one say how far the transfer is.
 */
import { writeSync } from 'node:fs';
import { WallaError } from '../errors.ts';
import { fail } from '../failure.ts';
import type { OnBytes } from '../transport/transport.ts';
import { removePrestaged } from './remove-prestaged.ts';
import { stageArchive } from './stage-archive.ts';

const tell: OnBytes = (doneBytes, bytes) => {
  try {
    writeSync(1, `${JSON.stringify({ doneBytes, bytes })}\n`);
  } catch {
    // Nobody reads as fast, or at all: no reason not to place.
  }
};

const [action, ...words] = process.argv.slice(2);
try {
  if (action === 'remove') removePrestaged(words, process.env);
  else {
    const [archive = '', retain, progress] = words;
    const done = stageArchive(
      archive,
      retain === 'keep' ? 'keep' : 'lease',
      progress === undefined ? undefined : tell,
    );
    if (done) process.stdout.write(`${JSON.stringify(done)}\n`);
  }
} catch (error) {
  fail(WallaError.from(error));
}
