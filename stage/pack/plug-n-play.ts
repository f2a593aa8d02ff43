import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { WallaError } from '../errors.ts';

/**
 * Refuses programs of a project that Yarn installs as Plug'n'Play: its packages are in zip files and only Yarn's own
 * patches of Node.js find them, so that Node.js, which is asked here, would answer that none is there.
 * @param program absolute path
 * @throws WallaError ERR_WALLA_PACK
 */
export function refusePlugAndPlay(program: string): void {
  for (let at = dirname(program); ; at = dirname(at)) {
    const runtime = join(at, '.pnp.cjs');
    if (existsSync(runtime))
      throw new WallaError(
        'ERR_WALLA_PACK',
        `${program} belongs to a Plug'n'Play project (${runtime}), whose packages Node.js does not find`,
        { hint: 'type: yarn config set nodeLinker pnpm && yarn install' },
      );
    // As Node.js does: what is installed nearer is found first.
    if (existsSync(join(at, 'node_modules')) || at === dirname(at)) return;
  }
}
