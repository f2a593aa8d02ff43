/**
 * ES modules from the image, on the thread that imports them (Node.js 22.15 and later). `require`
 * passes through: commonjs.ts has answered it already, with more knowledge than a hook gets.
 */
import { isImportable } from './node-features.ts';
import { hasAttributes, type SyncHooks } from './node-internals.ts';
import type { LateBuiltins } from './late-builtins.ts';
import { type Lookup, pathOf } from './lookup.ts';

export function syncHooks(lookup: Lookup, late: LateBuiltins): SyncHooks {
  const { image } = lookup;
  return {
    resolve(specifier, context, next) {
      late.asked(specifier);
      if (context.conditions.includes('require')) return next(specifier, context);
      const found = lookup.import(specifier, context.parentURL);
      if (found === undefined) return next(specifier, context);
      if ('absent' in found) throw found.absent;
      if (!isImportable(found.format)) return next(specifier, context);
      return { url: found.url, format: found.format, shortCircuit: true };
    },
    load(url, context, next) {
      const path = pathOf(url);
      const packed = path === undefined ? -1 : lookup.realFile(path);
      const format = packed < 0 ? undefined : lookup.format(packed);
      if (format === undefined || !isImportable(format) || format === 'addon')
        return next(url, context);
      const source = format === 'wasm' ? image.bytes(packed) : image.text(packed);
      // Through Node.js's own default step, CommonJS keeps its full `require` on Node.js 22, and
      // import attributes are checked.
      const isChecked = format === 'commonjs' || format === 'json' || hasAttributes(context);
      if (isChecked && !context.conditions?.includes('require'))
        return next(url, { ...context, format, source });
      return { format, source, shortCircuit: true };
    },
  };
}
