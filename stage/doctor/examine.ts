import { realpathSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { WallaError } from '../errors.ts';
import { checkApplication } from './application.ts';
import { checkArchive } from './archive.ts';
import type { Check, Subject } from './check.ts';
import { checkLaunchers, checkLibraries, findLibrary } from './mpi.ts';
import { checkNamespaces } from './namespaces.ts';
import { checkCore, checkNode, checkVariables } from './runtime.ts';
import { checkMemoryLimit, checkStagingDirectory } from './staging.ts';

/**
 * Looks at everything that can stop a job on this node.
 * @param program path of a program; undefined: its archive is not looked at
 * @throws WallaError ERR_WALLA_NO_ENTRY
 */
export function examine(program: string | undefined, env: NodeJS.ProcessEnv): Check[] {
  const entry = program === undefined ? undefined : findProgram(program);
  const directory = entry === undefined ? process.cwd() : dirname(entry);
  const subject: Subject = { entry, directory, env };
  const runtime = [checkNode(), checkCore(), checkVariables(subject)];
  // Nothing below can be looked at without these.
  if (runtime.some(({ status }) => status === 'stops')) return runtime;
  const libraries = (['openmpi', 'mpich'] as const).map(findLibrary);
  const { check: archive, bytes } = checkArchive(subject);
  return [
    ...runtime,
    checkLibraries(libraries),
    ...checkLaunchers(subject, libraries),
    checkStagingDirectory(subject, bytes),
    checkMemoryLimit(bytes),
    checkNamespaces(),
    archive,
    checkApplication(subject),
  ];
}

function findProgram(program: string): string {
  try {
    return realpathSync(resolve(program));
  } catch (cause) {
    throw new WallaError('ERR_WALLA_NO_ENTRY', `there is no program ${program}`, {
      hint: 'walla doctor app.mjs',
      cause,
    });
  }
}
