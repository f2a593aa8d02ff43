/**
 * ES modules from the image, as hooks for `module.register`: on Node.js 20, and wherever another
 * tool's off-thread hooks must run before ours. This file runs in the hooks thread and maps the
 * image for itself; the pages are shared.
 */
import type { Attachment } from '../stage/attachment.ts';
import { openAttachedImage } from '../stage/attachment.ts';
import { asksOthers, loadsThroughOthers, takesSource } from './earlier-tools.ts';
import { ImportAnswers } from './import-answers.ts';
import { offThreadSource } from './import-source.ts';
import { commonjsFormatOffThread, hasSyncHooks } from './node-features.ts';
import {
  formatToLoad,
  hasAttributes,
  type LoadContext,
  type LoadResult,
  type ResolveContext,
  type ResolveResult,
} from './node-internals.ts';
import { Lookup } from './lookup.ts';
import { ShadowedPaths } from './shadow/shadowed-path.ts';
import { UsualConditions } from './usual-conditions.ts';

/** What `module.register` hands over. */
export interface HooksThreadData extends Attachment {
  /** Whether other tools were preloaded before. */
  comesLater: boolean;
}

let answers: ImportAnswers | undefined;
let usual: UsualConditions | undefined;

/** Whether hooks registered before ours are to be asked first; undefined: not known yet. */
let others: boolean | undefined;
/** The same of those that load, of which a tool may have no others. */
let loadingOthers: boolean | undefined;

export function initialize({ comesLater, ...attachment }: HooksThreadData): void {
  loadingOthers = others = comesLater ? undefined : false;
  const image = openAttachedImage(attachment);
  const paths = new ShadowedPaths(image, attachment.roots, !attachment.preserveSymlinks);
  usual = new UsualConditions(attachment.conditions);
  answers = new ImportAnswers(new Lookup(image, attachment.preserveSymlinks, paths));
}

export async function resolve(
  specifier: string,
  context: ResolveContext,
  next: (specifier: string, context: ResolveContext) => ResolveResult | Promise<ResolveResult>,
): Promise<ResolveResult> {
  others ??= await asksOthers(next, context);
  if (others || !usual?.are(context.conditions)) return next(specifier, context);
  const found = answers?.resolve(specifier, context.parentURL);
  if (found === undefined) return next(specifier, context);
  if ('absent' in found) throw found.absent;
  return { url: found.url, format: found.format, shortCircuit: true };
}

export async function load(
  url: string,
  context: LoadContext,
  next: (url: string, context: LoadContext) => LoadResult | Promise<LoadResult>,
): Promise<LoadResult> {
  loadingOthers ??= others === true || (await loadsThroughOthers(next, context));
  const found = answers?.load(url);
  const format = found && formatToLoad(context, found.format);
  if (!answers || found === undefined || found.format === 'addon' || format === undefined)
    return next(url, context);
  const { entry } = found;
  const { image } = answers.lookup;
  // Without a source Node.js turns to its CommonJS loader, where commonjs.ts answers; other hooks see
  // what they see without walla. Node.js 20 would read the file by itself before that.
  if (format === 'commonjs' && hasSyncHooks && !loadingOthers)
    return { format, source: null, shortCircuit: true };
  const source = offThreadSource(image, entry, found.format);
  if (loadingOthers)
    return format === 'commonjs' || !takesSource(url)
      ? next(url, context)
      : next(url, { ...context, format: context.format ?? format, source });
  // Node.js's own default step checks import attributes.
  if (format === 'json' || hasAttributes(context)) return next(url, { ...context, format, source });
  return {
    format: format === 'commonjs' ? commonjsFormatOffThread : format,
    source,
    shortCircuit: true,
  };
}
