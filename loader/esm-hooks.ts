/**
 * ES modules from the image, on the thread that imports them (Node.js 22.15 and later). `require`
 * passes through: commonjs.ts has answered it already, with more knowledge than a hook gets.
 */
import { ImportAnswers } from './import-answers.ts';
import { importSource } from './import-source.ts';
import { hasAttributes, formatToLoad, type SyncHooks } from './node-internals.ts';
import type { LateBuiltins } from './late-builtins.ts';
import type { Lookup } from './lookup.ts';
import type { UsualConditions } from './usual-conditions.ts';

export function syncHooks(lookup: Lookup, late: LateBuiltins, usual: UsualConditions): SyncHooks {
  const { image } = lookup;
  const answers = new ImportAnswers(lookup);
  return {
    resolve(specifier, context, next) {
      late.asked(specifier);
      if (context.conditions.includes('require') || !usual.are(context.conditions))
        return next(specifier, context);
      const found = answers.resolve(specifier, context.parentURL);
      if (found === undefined)
        return answers.miss(specifier, context.parentURL, () => next(specifier, context));
      if ('absent' in found) throw found.absent;
      return { url: found.url, format: found.format, shortCircuit: true };
    },
    load(url, context, next) {
      const found = answers.load(url);
      const format = found && formatToLoad(context, found.format);
      if (found === undefined || found.format === 'addon' || format === undefined)
        return next(url, context);
      const { entry } = found;
      const source = importSource(image, entry, found.format);
      // Through Node.js's own default step, CommonJS keeps its full `require` on Node.js 22, and
      // import attributes are checked.
      const isChecked = format === 'commonjs' || format === 'json' || hasAttributes(context);
      if (isChecked && !context.conditions?.includes('require'))
        return next(url, { ...context, format, source });
      return { format, source, shortCircuit: true };
    },
  };
}
