/** Makes reads of code that knows nothing of collfs collective. */

import { Installation } from './shadow/installation.ts';
import { installModules } from './shadow/modules.ts';
import { installReads } from './shadow/reads.ts';
import { Routes } from './shadow/routes.ts';
import { Rules, type ShadowOptions } from './shadow/rules.ts';

export type { ShadowOptions } from './shadow/rules.ts';

export interface Shadow {
  /** Ends it; local. Again it does nothing. */
  restore(): void;
  /** For `using`: restores. */
  [Symbol.dispose](): void;
}

let installation: Installation | undefined;

/**
 * Routes reads through `fs`, `fs/promises` and `require` into collfs until `restore()`: those below chosen
 * paths, whoever makes them, and those that the code of chosen packages makes (told by the file that
 * calls), besides the loading of those packages themselves, addons included. While nothing is pushed
 * they stay as they are, as do writes, `import`, workers, child processes, and whatever an archive of walla
 * answers. Local; all ranks of the communicator have the same shadows at the same point of the program.
 * @throws WallaError ERR_WALLA_OPTION
 */
export function shadow(options: ShadowOptions): Shadow {
  const rules = new Rules(options);
  const installed = (installation ??= install());
  installed.rules.add(rules);
  const restore = (): void => {
    if (!installed.rules.delete(rules) || installed.rules.size > 0) return;
    installed.undo();
    if (installation === installed) installation = undefined;
  };
  return { restore, [Symbol.dispose]: restore };
}

function install(): Installation {
  const fresh = new Installation();
  const routes = new Routes(fresh.rules);
  installReads(fresh, routes);
  installModules(fresh, routes);
  fresh.publish();
  return fresh;
}
