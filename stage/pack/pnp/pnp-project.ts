/** Yarn's Plug'n'Play: https://yarnpkg.com/advanced/pnp-spec. Where a project's packages are, as its own runtime says. */
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { WallaError } from '../../errors.ts';

export const PNP_RUNTIME = '.pnp.cjs';
export const PNP_LOADER = '.pnp.loader.mjs';

export interface PnpLocation {
  /** Directory that the package has for the program, absolute; below a zip file or `__virtual__` often. */
  location: string;
  /** The same without virtual parts. */
  base: string;
}

/** @returns the project's directory; undefined where none of those above the program has such a runtime */
export function findPnpProject(program: string): string | undefined {
  for (let at = dirname(program); ; at = dirname(at)) {
    if (existsSync(join(at, PNP_RUNTIME))) return at;
    // As Node.js does: what is installed nearer is found first.
    if (existsSync(join(at, 'node_modules')) || at === dirname(at)) return undefined;
  }
}

const ASK = `
const pnp = require(process.argv[1]);
const found = pnp.getAllLocators().map((locator) => pnp.getPackageInformation(locator))
  .filter((information) => information && information.packageLocation)
  .map(({ packageLocation: location }) => ({ location, base: pnp.resolveVirtual(location) || location }));
process.stdout.write(JSON.stringify(found));`;

/**
 * Runs the project's .pnp.cjs, as each start of its programs does.
 * @throws WallaError ERR_WALLA_PACK
 */
export function pnpLocations(project: string): PnpLocation[] {
  const runtime = join(project, PNP_RUNTIME);
  try {
    const text = execFileSync(process.execPath, ['-e', ASK, runtime], {
      encoding: 'utf8',
      maxBuffer: 256 * 1024 ** 2,
      env: { ...process.env, NODE_OPTIONS: '' },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    return JSON.parse(text) as PnpLocation[];
  } catch (error) {
    const said = (error as { stderr?: string }).stderr ?? (error as Error).message;
    throw new WallaError('ERR_WALLA_PACK', `cannot ask ${runtime}: ${said.trim().slice(-500)}`, {
      cause: error,
      hint: 'type: yarn install',
    });
  }
}
