import { cpSync } from 'node:fs';
import { basename, join } from 'node:path';
import { type Contender, PROBE_HERE } from './contender.ts';

/** Node.js's own resolution and reads, from the shared file system: the problem. */
export const plain: Contender = {
  name: 'plain',
  isolates: 'the problem: every rank resolves and reads every module at the shared file system',
  prepare: ({ node, entry, application }) =>
    Promise.resolve({ command: [node.path, PROBE_HERE, entry], cwd: application }),
};

/** The same from a copy on every node's disk: what is left when the shared file system costs nothing. */
export const plainLocal: Contender = {
  name: 'local disk',
  isolates:
    'plain Node.js with a warm copy on every node: no shared file system at all, and no time to make the copies',
  prepare: ({ node, entry, application, local }) => {
    const copy = join(local, 'application');
    cpSync(application, copy, { recursive: true, verbatimSymlinks: true });
    return Promise.resolve({
      command: [node.path, PROBE_HERE, join(copy, basename(entry))],
      cwd: copy,
    });
  },
};
