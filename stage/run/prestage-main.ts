/**
 * Entry of dist/prestage.cjs, which `walla run` starts once a node: one file, since each node reads it.
 *
 *     node prestage.cjs place ARCHIVE keep|lease   says what it placed as one line of JSON
 *     node prestage.cjs remove NAME...
 */
import { WallaError } from '../errors.ts';
import { fail } from '../failure.ts';
import { removePrestaged } from './remove-prestaged.ts';
import { stageArchive } from './stage-archive.ts';

const [action, ...words] = process.argv.slice(2);
try {
  if (action === 'remove') removePrestaged(words, process.env);
  else {
    const [archive = '', retain] = words;
    const done = stageArchive(archive, retain === 'keep' ? 'keep' : 'lease');
    if (done) process.stdout.write(`${JSON.stringify(done)}\n`);
  }
} catch (error) {
  fail(WallaError.from(error));
}
