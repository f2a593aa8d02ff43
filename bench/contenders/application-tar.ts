import { existsSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { failure, type Site } from './contender.ts';

const WITHOUT_WALLA = 'node_modules/walla';

/**
 * The whole installed tree as one tar file on the shared file system, for those who unpack it on every node. Made once.
 * @returns its path, and the entry's path within it; or a sentence that says why it could not be made
 */
export function applicationTar({
  application,
  entry,
  shared,
}: Site): { archive: string; entry: string } | string {
  const archive = join(shared, 'application.tar');
  const name = basename(application);
  const why = existsSync(archive)
    ? undefined
    : failure('tar', [
        '-cf',
        archive,
        `--exclude=${WITHOUT_WALLA}`,
        ...['-C', dirname(application), name],
      ]);
  return why ?? { archive, entry: join(name, basename(entry)) };
}
