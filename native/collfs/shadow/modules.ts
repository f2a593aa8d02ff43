/** `require` of chosen files: root finds the module and reads it, all ranks load what it has read. */

import { dirname, join } from 'node:path';

import { announced } from '../../../loader/announced.ts';
import { isPatched } from '../../../loader/earlier-tools.ts';
import { type CompilableModule, Module, patch } from '../../../loader/node-internals.ts';
import { readFileSync } from '../files.ts';
import { dlopen } from '../libraries.ts';
import { real } from '../real-fs.ts';
import { onRoot } from '../share.ts';
import type { Installation } from './installation.ts';
import type { Routes } from './routes.ts';

type ScriptType = 'commonjs' | 'module' | 'none' | 'unclear';

export function installModules(installation: Installation, routes: Routes): void {
  installation.replace(Module, '_resolveFilename', () => patchResolution(routes));
  installation.replace(process, 'dlopen', () => patchAddons(routes));
  // Handlers of other tools (transpilers) read the file through `fs`, as Node.js's own does.
  const { loadScript } = announced() ?? {};
  if (Module._extensions['.js'] === loadScript || !isPatched('load'))
    installation.replace(Module._extensions, '.js', () => patchScripts(routes));
}

function patchResolution(routes: Routes): void {
  patch(
    Module,
    '_resolveFilename',
    (original) =>
      function (...args) {
        const [request, parent] = args as [unknown, NodeJS.Module | null | undefined];
        const parentPath = parent?.filename ?? undefined;
        if (typeof request !== 'string' || !routes.takesRequest(request, parentPath))
          return original.apply(this, args as never);
        return onRoot(`require ${request} from ${parentPath ?? ''}`, () =>
          original.apply(this, args as never),
        );
      },
  );
}

/** Without Node.js's search for package.json files, which is done in C++ by each rank. */
function patchScripts(routes: Routes): void {
  const types = new Map<string, ScriptType>();
  patch(
    Module._extensions,
    '.js',
    (original) =>
      function (...args) {
        const [module, filename] = args as [CompilableModule, string];
        if (!filename.endsWith('.js') || !routes.takesFile(filename))
          return original.apply(this, args as never);
        const directory = dirname(filename);
        let type = types.get(directory);
        if (type === undefined) {
          type = onRoot(`type of ${directory}`, () => scriptType(directory));
          types.set(directory, type);
        }
        if (type === 'module' || type === 'unclear') return original.apply(this, args as never);
        const source = readFileSync(filename, 'utf8');
        return module._compile(source, filename, type === 'none' ? undefined : type);
      },
  );
}

/** What the nearest package.json says of `.js` files; doc/api/packages.md, "Determining module system". */
function scriptType(directory: string): ScriptType {
  for (let at = directory; !at.endsWith('/node_modules'); at = dirname(at)) {
    let text: string | undefined;
    try {
      text = real.readFileSync(join(at, 'package.json'), 'utf8');
    } catch {
      // Not there, or not to be read.
    }
    if (text !== undefined) return typeIn(text);
    if (at === dirname(at)) break;
  }
  return 'none';
}

function typeIn(text: string): ScriptType {
  try {
    const { type } = JSON.parse(text) as { type?: unknown };
    return type === 'module' || type === 'commonjs' ? type : 'none';
  } catch {
    return 'unclear'; // Node.js has an error for it
  }
}

function patchAddons(routes: Routes): void {
  patch(
    process,
    'dlopen',
    (original) =>
      function (...args) {
        const [module, filename, flags] = args as [object, unknown, number?];
        if (typeof filename !== 'string' || !routes.takesFile(filename))
          return original.apply(this, args as never);
        dlopen(module, filename, flags);
        return undefined;
      },
  );
}
