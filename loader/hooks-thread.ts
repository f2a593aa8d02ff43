/**
 * ES modules from the image, as hooks for `module.register`: on Node.js 20, and wherever another
 * tool's off-thread hooks must run before ours. This file runs in the hooks thread and maps the
 * image for itself; the pages are shared.
 */
import type { Attachment } from '../stage/attachment.ts';
import { openAttachedImage } from '../stage/attachment.ts';
import { asksOthers } from './earlier-tools.ts';
import { ImportAnswers } from './import-answers.ts';
import { commonjsFormatOffThread, hasSyncHooks } from './node-features.ts';
import {
  hasAttributes,
  type LoadContext,
  type LoadResult,
  type ResolveContext,
  type ResolveResult,
} from './node-internals.ts';
import { Lookup } from './lookup.ts';
import { ShadowedPaths } from './shadow/shadowed-path.ts';

/** What `module.register` hands over. */
export interface HooksThreadData extends Attachment {
  /** Whether other tools were preloaded before. */
  comesLater: boolean;
}

let answers: ImportAnswers | undefined;

/** Whether hooks registered before ours are to be asked first; undefined: not known yet. */
let others: boolean | undefined;

export function initialize({ comesLater, ...attachment }: HooksThreadData): void {
  others = comesLater ? undefined : false;
  const image = openAttachedImage(attachment);
  const paths = new ShadowedPaths(image, attachment.roots);
  answers = new ImportAnswers(new Lookup(image, attachment.preserveSymlinks, paths));
}

export async function resolve(
  specifier: string,
  context: ResolveContext,
  next: (specifier: string, context: ResolveContext) => ResolveResult | Promise<ResolveResult>,
): Promise<ResolveResult> {
  others ??= await asksOthers(next, context);
  if (others) return next(specifier, context);
  const found = answers?.resolve(specifier, context.parentURL);
  if (found === undefined) return next(specifier, context);
  if ('absent' in found) throw found.absent;
  return { url: found.url, format: found.format, shortCircuit: true };
}

export function load(
  url: string,
  context: LoadContext,
  next: (url: string, context: LoadContext) => LoadResult | Promise<LoadResult>,
): LoadResult | Promise<LoadResult> {
  const found = answers?.load(url);
  if (!answers || found === undefined || found.format === 'addon') return next(url, context);
  const { entry, format } = found;
  const { image } = answers.lookup;
  // Without a source Node.js turns to its CommonJS loader, where commonjs.ts answers; other hooks see
  // what they see without walla. Node.js 20 would read the file by itself before that.
  if (format === 'commonjs' && hasSyncHooks && !others)
    return { format, source: null, shortCircuit: true };
  // Always a string or a fresh copy: a view's whole buffer is transferred to the other thread.
  const source = format === 'wasm' ? new Uint8Array(image.bytes(entry)) : image.text(entry);
  if (others)
    return format === 'commonjs'
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
