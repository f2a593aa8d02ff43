import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Contender, PROBE_HERE } from './contender.ts';

/** What no way to bring a program to its nodes can beat: Node.js and the launcher, with nothing to bring. */
export const nothing: Contender = {
  name: 'nothing',
  isolates:
    'the floor: an empty program on a local disk. What mpirun and the start of Node.js take, before any contender begins',
  prepare: ({ node, local }) => {
    const directory = join(local, 'nothing');
    mkdirSync(directory, { recursive: true });
    writeFileSync(join(directory, 'app.mjs'), "console.log('nothing');\n");
    return Promise.resolve({
      command: [node.path, PROBE_HERE, join(directory, 'app.mjs')],
      cwd: directory,
    });
  },
};
