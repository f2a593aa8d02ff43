/** Who calls: the file whose code has called a function. */

import { fileURLToPath } from 'node:url';

import type { AnyFunction } from '../../../loader/node-internals.ts';

export interface CallSite {
  /** Node.js's own module loader calls. */
  isLoader: boolean;
  /** Absolute path of the first file above Node.js's own code; undefined if there is none on the stack. */
  file: string | undefined;
}

/** `promisify`, streams and the like are in between. */
const MOST_FRAMES = 24;

/** @param below the function that was called */
export function callSiteOf(below: AnyFunction): CallSite {
  const before = Object.getOwnPropertyDescriptor(Error, 'prepareStackTrace');
  const { stackTraceLimit } = Error;
  const holder: { stack?: NodeJS.CallSite[] } = {};
  try {
    Error.stackTraceLimit = MOST_FRAMES;
    Error.prepareStackTrace = (_, sites) => sites;
    Error.captureStackTrace(holder, below);
    // It is made when it is first looked at.
    return siteOf(holder.stack ?? []);
  } finally {
    if (before) Object.defineProperty(Error, 'prepareStackTrace', before);
    else Reflect.deleteProperty(Error, 'prepareStackTrace');
    Error.stackTraceLimit = stackTraceLimit;
  }
}

function siteOf(sites: readonly NodeJS.CallSite[]): CallSite {
  const names = sites.map((site) => site.getFileName() ?? '');
  const file = names.find((name) => /^(\/|file:\/\/\/)/.test(name));
  return {
    isLoader: names[0]?.startsWith('node:internal/modules/') === true,
    file: file?.startsWith('file:') ? fileURLToPath(file.replace(/[?#].*$/, '')) : file,
  };
}
