/**
 * What a process needs to use an image that is already on its node: handed to child processes and
 * workers in WALLA_ATTACH, and to the hooks thread as a message.
 */
import type { NativeImage } from '../native/addon.ts';
import type { AddonName } from '../native/addon-path.ts';
import { loadAddon, takeCoreFrom } from '../native/load-addon.ts';
import { WallaError } from './errors.ts';
import type { ReportPlace } from './report/report-place.ts';
import { resolutionRules } from './resolution-rules.ts';
import { vanished } from './vanished.ts';

export interface Attachment {
  /** Absolute path of the published image's directory. */
  directory: string;
  /** Absolute directory below which native addons stand with their layout. */
  files: string;
  /** Absolute directories that stand for the archive's root; the first is the real one. */
  roots: string[];
  /** `process.versions.modules` and conditions that the resolution table was made for. */
  abi: string;
  conditions: string[];
  preserveSymlinks: boolean;
  /** Whose V8 code caches are beside the image, if there are any for the program. */
  codeCacheTag?: string | undefined;
  /** The addon that has the core of this process, for its other threads. */
  core: { pid: number; addon: AddonName };
  /** The report of the job, if it keeps one. */
  report?: ReportPlace;
}

/**
 * Maps the image of an attachment.
 * @throws WallaError, or Error with an errno code, when it is gone or is not ours alone
 */
export function openAttachedImage(attachment: Attachment): NativeImage {
  // A child process has a core of its own, and no need of MPI.
  if (attachment.core.pid === process.pid) takeCoreFrom(attachment.core.addon);
  const addon = loadAddon();
  const split = attachment.directory.lastIndexOf('/');
  let userFd = -1;
  let directoryFd = -1;
  let imageFd = -1;
  try {
    userFd = addon.openPrivateDirectory(attachment.directory.slice(0, split), false);
    directoryFd = addon.openPrivateDirectoryAt(
      userFd,
      attachment.directory.slice(split + 1),
      false,
    );
    imageFd = addon.openPrivateFileAt(directoryFd, 'image', 'read');
    if (imageFd < 0)
      throw new WallaError(
        'ERR_WALLA_STAGING_DIRECTORY',
        `there is no image in ${attachment.directory}`,
        { hint: 'walla clean removes what is left there' },
      );
    return addon.openImage(imageFd, attachment.roots);
  } catch (error) {
    throw (error as NodeJS.ErrnoException).code === 'ENOENT'
      ? vanished(attachment.directory)
      : error;
  } finally {
    for (const fd of [imageFd, directoryFd, userFd]) if (fd >= 0) addon.close(fd);
  }
}

/** Whether this process resolves modules by the same rules as the archive's table. */
export function fitsThisProcess(
  attachment: Pick<Attachment, 'abi' | 'conditions' | 'preserveSymlinks'>,
): boolean {
  const { conditions, preserveSymlinks } = resolutionRules();
  return (
    attachment.abi === process.versions.modules &&
    attachment.conditions.join() === conditions.join() &&
    attachment.preserveSymlinks === preserveSymlinks
  );
}
