/**
 * Native addons. The dynamic linker needs a real file, so `process.dlopen` gets the copy that
 * staging extracted to node-local memory; everything else goes on seeing the original path.
 */
import type { Lookup } from './lookup.ts';
import { patch } from './node-internals.ts';

/** @param localPath where a packed file stands as a real file on this node, made there if need be */
export function installNativeAddons(lookup: Lookup, localPath: (entry: number) => string): void {
  patch(
    process,
    'dlopen',
    (original) =>
      function (...args) {
        const packed = typeof args[1] === 'string' ? lookup.file(args[1]) : -1;
        if (packed >= 0) args[1] = localPath(packed);
        return original.apply(this, args as never);
      },
  );
}
