import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { nodeVersions } from '../../test/node-versions/index.ts';
import { type Contender, failure, PROBE_HERE } from './contender.ts';

/**
 * Node.js 26.10 copies an addon to a memfd, loads it as /proc/self/fd/N and closes it. The next one gets the same number,
 * and dlopen, which knows that name, gives the first one again. So each number is kept from being used again.
 */
const KEEP_NUMBERS = `
const { openSync } = require('node:fs');
const extensions = require('node:module')._extensions;
const load = extensions['.node'];
extensions['.node'] = function (...words) {
  load.apply(this, words);
  openSync('/dev/null', 'r');
};
`;

/** Node.js 26's own virtual file system over a zip file. */
export const nodeVfs: Contender = {
  name: 'node:vfs',
  isolates:
    'one zip file of the tree, read by every rank through --vfs-load (Node.js 26 alone): no lookups outside it, but changed paths, and libraries beside an addon are not found',
  prepare: ({ entry, application, shared, local }) => {
    const node = nodeVersions.find(({ major }) => major >= 26);
    if (!node) return Promise.resolve('it needs Node.js 26, which is not here');
    const archive = join(shared, 'application.zip');
    const why = zip(application, archive, basename(entry));
    if (why !== undefined) return Promise.resolve(why);
    // Where the libraries are that an addon in the archive is linked to: only the addon itself is unpacked.
    const libraries = join(application, 'node_modules/@img/sharp-libvips-linux-x64/lib');
    const env = { LD_LIBRARY_PATH: libraries };
    const keepNumbers = join(local, 'keep-numbers.cjs');
    writeFileSync(keepNumbers, KEEP_NUMBERS);
    const vfs = ['--experimental-vfs', `--vfs-load=${archive}`];
    const args = ['--no-warnings', '-r', keepNumbers, ...vfs];
    const trial = failure(node.path, args, { env: { ...process.env, ...env } });
    if (trial !== undefined) return Promise.resolve(trial);
    return Promise.resolve({ command: [node.path, ...args, PROBE_HERE], cwd: application, env });
  },
};

/** The program has to be the package's main: --vfs-load takes no other. Stored: unpacking would cost every rank more. */
function zip(application: string, archive: string, main: string): string | undefined {
  const description = join(application, 'package.json');
  const kept = `${description}.kept`;
  const original = readFileSync(description, 'utf8');
  renameSync(description, kept);
  try {
    writeFileSync(
      description,
      JSON.stringify({ ...(JSON.parse(original) as Record<string, unknown>), main }),
    );
    return failure('zip', ['-q', '-r', '-0', archive, '.', '-x', './node_modules/walla/*'], {
      cwd: application,
    });
  } finally {
    renameSync(kept, description);
  }
}
