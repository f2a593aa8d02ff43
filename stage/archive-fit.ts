/** Whether an archive was packed for this machine, this Node.js, and the rules by which this program resolves names. */
import { fitsThisProcess } from './attachment.ts';
import { WallaError } from './errors.ts';
import type { Manifest } from './format/manifest.ts';
import { formatName } from './format-name.ts';
import { resolutionRules } from './resolution-rules.ts';

/** What of an archive is compared. */
interface FittingArchive {
  path: string;
  manifest: Manifest;
}

/** @throws WallaError ERR_WALLA_PLATFORM where the archive is for another platform or processor */
export function checkMachine({ path, manifest }: FittingArchive): void {
  const mine = `${process.platform} ${process.arch}`;
  const theirs = formatName(`${manifest.platform} ${manifest.arch}`);
  if (mine !== theirs)
    throw new WallaError('ERR_WALLA_PLATFORM', `${path} was packed for ${theirs}, this is ${mine}`);
}

/**
 * @throws WallaError ERR_WALLA_PLATFORM as checkMachine; ERR_WALLA_STALE where it was packed by a Node.js of another ABI, or
 *   for other rules of resolution
 */
export function checkPlatform(archive: FittingArchive): void {
  checkMachine(archive);
  const { path, manifest } = archive;
  if (manifest.abi !== process.versions.modules)
    throw new WallaError(
      'ERR_WALLA_STALE',
      `${path} was packed by Node.js ${formatName(manifest.node)}, this is ${process.version}`,
      { hint: 'pack again with this Node.js: walla pack ENTRY -o FILE' },
    );
  const { conditions, preserveSymlinks } = resolutionRules();
  if (!fitsThisProcess(manifest))
    throw new WallaError(
      'ERR_WALLA_STALE',
      `${path} was packed for conditions [${manifest.conditions.map(formatName).join(', ')}], this program runs with [${conditions.join(', ')}]` +
        (manifest.preserveSymlinks === preserveSymlinks
          ? ''
          : ', and for another --preserve-symlinks'),
      { hint: 'pack again with these conditions: walla pack ENTRY -o FILE' },
    );
}

export function fits(archive: FittingArchive): boolean {
  try {
    checkPlatform(archive);
    return true;
  } catch {
    return false;
  }
}
