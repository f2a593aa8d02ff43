/**
 * Machines that walla's native core is not made for run the program as if walla were not there, so that one
 * package.json serves the cluster and a laptop.
 */
import { existsSync, writeSync } from 'node:fs';
import { addonPath } from '../native/addon-path.ts';
import { launchedRank, launchedSize } from '../native/launcher.ts';
import type { WallaError } from './errors.ts';

/** Whether this platform has no native core, as can be told without asking the file system. */
export function isForeignPlatform(): boolean {
  return process.platform !== 'linux';
}

/**
 * Whether a failure only means that there is no native core for this machine: on musl, and where the file is not
 * there in a program that runs alone. Ranks that lack it on a cluster are an error: they would load the shared file system.
 */
export function lacksNativeCore(error: WallaError): boolean {
  if (error.code !== 'ERR_WALLA_NATIVE') return false;
  return isMusl() || (launchedSize(process.env) === 1 && !existsSync(addonPath('walla')));
}

/** Says so once a job. Children and workers inherit that it was said. */
export function runUnstaged(): void {
  process.env['WALLA'] = 'off';
  if (launchedRank(process.env) !== 0) return;
  const libc = process.platform === 'linux' && isMusl() ? ' (musl)' : '';
  const machine = `${process.platform}-${process.arch}${libc}`;
  writeSync(2, `walla: there is no native core for ${machine} here: running unstaged\n`);
}

/** Slow: a report says much more than that. */
function isMusl(): boolean {
  const { header } = process.report.getReport() as { header?: { glibcVersionRuntime?: string } };
  return header?.glibcVersionRuntime === undefined;
}
