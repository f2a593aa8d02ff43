import { bundle } from './bundle.ts';
import type { Contender } from './contender.ts';
import { nodeVfs } from './node-vfs.ts';
import { nothing } from './nothing.ts';
import { plain, plainLocal } from './plain.ts';
import { pythonMpiBcast } from './python-mpi-bcast.ts';
import { squashfs } from './squashfs.ts';
import { tarBroadcast } from './tar-broadcast.ts';
import { codeCache, onTheFly, packed, prestaged } from './walla.ts';
import { yarnPnp } from './yarn-pnp.ts';

/** In the order of the tables. */
export const contenders: readonly Contender[] = [
  nothing,
  plain,
  plainLocal,
  bundle,
  tarBroadcast,
  pythonMpiBcast,
  squashfs,
  yarnPnp,
  nodeVfs,
  onTheFly,
  codeCache,
  packed,
  prestaged,
];

/** What the others are compared with. */
export const reference = packed;

/** Those of a quick run: the others take long, or answer a question of their own. */
export const quick: readonly Contender[] = [
  nothing,
  plain,
  plainLocal,
  bundle,
  tarBroadcast,
  squashfs,
  packed,
  prestaged,
];
