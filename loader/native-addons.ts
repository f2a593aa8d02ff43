/**
 * Native addons. The dynamic linker needs a real file, so `process.dlopen` gets the copy that
 * staging extracted to node-local memory; everything else goes on seeing the original path.
 */
import type { Lookup } from './lookup.ts';
import { patch } from './node-internals.ts';
import { kindOf, S_IFREG } from './shadow/shadowed-path.ts';

/** A directory with more files than this is not an addon's own. */
const MOST_BESIDE = 256;

/** @param localPath where a packed file stands as a real file on this node, made there if need be */
export function installNativeAddons(lookup: Lookup, localPath: (entry: number) => string): void {
  const prepared = new Set<string>();
  patch(
    process,
    'dlopen',
    (original) =>
      function (...args) {
        const packed = typeof args[1] === 'string' ? lookup.file(args[1]) : -1;
        if (packed < 0) return original.apply(this, args as never);
        const given = args[1] as string;
        args[1] = localPath(packed);
        prepareBeside(lookup, packed, prepared, localPath);
        try {
          return original.apply(this, args as never);
        } catch (error) {
          if (error instanceof Error)
            error.message = error.message.replaceAll(args[1] as string, given);
          throw error;
        }
      },
  );
}

/** An addon that asks the linker where it stands finds the files beside it there too. */
function prepareBeside(
  { image }: Lookup,
  addon: number,
  prepared: Set<string>,
  localPath: (entry: number) => string,
): void {
  const path = image.path(addon);
  const directory = path.slice(0, path.lastIndexOf('/'));
  if (prepared.has(directory)) return;
  prepared.add(directory);
  const parent = image.find(directory, false);
  const names = parent < 0 ? [] : (image.listing(parent)?.names ?? []);
  if (names.length > MOST_BESIDE) return;
  for (const name of names) {
    const entry = image.find(`${directory}/${name}`, false);
    if (entry >= 0 && kindOf(image, entry) === S_IFREG) localPath(entry);
  }
}
