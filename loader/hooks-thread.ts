/**
 * ES modules from the image, as hooks for `module.register`: on Node.js 20, and wherever another
 * tool's off-thread hooks must run before ours. This file runs in the hooks thread and maps the
 * image for itself; the pages are shared.
 */
import type { Attachment } from '../stage/attachment.ts';
import { openAttachedImage } from '../stage/attachment.ts';
import { asksOthers } from './earlier-tools.ts';
import { commonjsFormatOffThread, hasSyncHooks, isImportable } from './node-features.ts';
import {
  hasAttributes,
  type LoadContext,
  type LoadResult,
  type ResolveContext,
  type ResolveResult,
} from './node-internals.ts';
import { Lookup, pathOf } from './lookup.ts';

/** What `module.register` hands over. */
export interface HooksThreadData extends Attachment {
  /** Whether other tools were preloaded before. */
  comesLater: boolean;
}

let lookup: Lookup | undefined;

/** Whether hooks registered before ours are to be asked first; undefined: not known yet. */
let others: boolean | undefined;

export function initialize({ comesLater, ...attachment }: HooksThreadData): void {
  others = comesLater ? undefined : false;
  lookup = new Lookup(openAttachedImage(attachment), attachment.preserveSymlinks);
}

export async function resolve(
  specifier: string,
  context: ResolveContext,
  next: (specifier: string, context: ResolveContext) => ResolveResult | Promise<ResolveResult>,
): Promise<ResolveResult> {
  others ??= await asksOthers(next, context);
  if (others) return next(specifier, context);
  const found = lookup?.import(specifier, context.parentURL);
  if (found === undefined) return next(specifier, context);
  if ('absent' in found) throw found.absent;
  if (!isImportable(found.format)) return next(specifier, context);
  return { url: found.url, format: found.format, shortCircuit: true };
}

export function load(
  url: string,
  context: LoadContext,
  next: (url: string, context: LoadContext) => LoadResult | Promise<LoadResult>,
): LoadResult | Promise<LoadResult> {
  const path = pathOf(url);
  const packed = !lookup || path === undefined ? -1 : lookup.realFile(path);
  const format = !lookup || packed < 0 ? undefined : lookup.format(packed);
  if (!lookup || format === undefined || !isImportable(format) || format === 'addon')
    return next(url, context);
  // Without a source Node.js turns to its CommonJS loader, where commonjs.ts answers; other hooks see
  // what they see without walla. Node.js 20 would read the file by itself before that.
  if (format === 'commonjs' && hasSyncHooks && !others)
    return { format, source: null, shortCircuit: true };
  // Always a string or a fresh copy: a view's whole buffer is transferred to the other thread.
  const source =
    format === 'wasm' ? new Uint8Array(lookup.image.bytes(packed)) : lookup.image.text(packed);
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
