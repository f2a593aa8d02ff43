/** The program that jobs with faults run, and what its output has to be. */
import { createHash, randomBytes } from 'node:crypto';
import { copyFileSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { addonFile } from '../../native/addon-path.ts';
import { Application, packageRoot, packProgram } from '../run-node.ts';

/** Three chunks of the transfer. */
const ASSET_BYTES = 10 * 1024 * 1024;

const PROGRAM = `
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import dep from 'dep';
const addon = createRequire(import.meta.url)('./addon.node');
const asset = readFileSync(new URL('./asset.bin', import.meta.url));
const digest = createHash('sha256').update(asset).digest('hex');
const how = process.env.WALLA_ATTACH ? 'staged' : 'unstaged';
console.log('ran', how, dep, typeof addon.sha256, digest);
`;

const EXITING = `
const { OMPI_COMM_WORLD_RANK, PMI_RANK } = process.env;
if ((OMPI_COMM_WORLD_RANK ?? PMI_RANK) === '2') process.exit(3);
else setInterval(() => {}, 1000);
`;

export class FaultProgram {
  readonly archive: string;
  readonly #app: Application;
  readonly #digest: string;

  constructor() {
    this.#app = new Application({
      'app.mjs': PROGRAM,
      'unpacked.mjs': PROGRAM,
      'exiting.mjs': EXITING,
      'asset.bin': randomBytes(ASSET_BYTES)
        .toString('latin1')
        .slice(0, ASSET_BYTES / 2),
      'node_modules/dep/package.json': '{"name":"dep","type":"module","exports":"./index.js"}',
      'node_modules/dep/index.js': 'export default "dep";',
    });
    copyFileSync(join(packageRoot, addonFile('walla')), this.#app.path('addon.node'));
    this.archive = this.#app.path('app.walla');
    packProgram(this.entry, this.archive);
    const asset = readFileSync(this.#app.path('asset.bin'));
    this.#digest = createHash('sha256').update(asset).digest('hex');
  }

  get entry(): string {
    return this.#app.path('app.mjs');
  }

  /** A program that does the same, and is not in the archive. */
  get unpacked(): string {
    return this.#app.path('unpacked.mjs');
  }

  /** A program that is not in the archive and ends on rank 2 alone, with status 3. */
  get exiting(): string {
    return this.#app.path('exiting.mjs');
  }

  /** What so many ranks print, staged or not. */
  output(ranks: number, how: 'staged' | 'unstaged' = 'staged'): string {
    return `ran ${how} dep function ${this.#digest}\n`.repeat(ranks);
  }

  remove(): void {
    this.#app.remove();
  }
}
