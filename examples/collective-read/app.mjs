import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import * as collfs from 'walla/collfs';
import { world } from 'walla/mpi';

const at = (name) => new URL(name, import.meta.url);

collfs.push(world); // from here on rank 0 asks the file system
const { numbers } = JSON.parse(collfs.readFileSync(at('input.json'), 'utf8'));
const [fd] = collfs.openManySync([at('title.txt')]); // a real descriptor on each rank
const title = readFileSync(fd, 'utf8').trim();

const shadow = collfs.shadow({ paths: [at('plugins')] }); // what anybody reads there
const sum = createRequire(import.meta.url)('./plugins/sum.cjs');
shadow.restore();
collfs.pop();

console.log(`${title} on rank ${world.rank}: ${sum(numbers)}`);
