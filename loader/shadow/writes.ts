/** Takes what the program writes out of the archive's answers, for `fs` and for modules. */
import fs from 'node:fs';
import { dirname } from 'node:path';
import type { LateBuiltins } from '../late-builtins.ts';
import { shownPath } from './answer.ts';
import { patchIfThere } from './forms.ts';
import { isReadFlag } from './reads.ts';
import type { ShadowedPaths } from './shadowed-path.ts';

/** Operations that change their first path argument, their second, or both. */
const WRITES: Record<string, readonly number[]> = {
  appendFile: [0],
  chmod: [0],
  chown: [0],
  copyFile: [1],
  cp: [1],
  lchmod: [0],
  lchown: [0],
  link: [0, 1], // from now on two names of one file
  lutimes: [0],
  mkdir: [0],
  rename: [0, 1],
  rm: [0],
  rmdir: [0],
  symlink: [1],
  truncate: [0],
  unlink: [0],
  utimes: [0],
  writeFile: [0],
};

/** Those that go through a link: the others change the name itself. */
const FOLLOWING = new Set([
  'appendFile',
  'chmod',
  'chown',
  'copyFile',
  'truncate',
  'utimes',
  'writeFile',
]);

/** @param isShadowed whether reads are shadowed too: then they note what is opened for writing */
export function installFsWrites(
  paths: ShadowedPaths,
  late: LateBuiltins,
  isShadowed: boolean,
): void {
  const sync = fs as unknown as Record<string, unknown>;
  const promised: ((promises: object) => void)[] = [];
  const note = (name: string, notice: (args: unknown[]) => void): void => {
    noteWrites(sync, name, notice);
    noteWrites(sync, `${name}Sync`, notice);
    promised.push((promises) => {
      notePromisedWrites(promises, name, notice);
    });
  };
  for (const [name, positions] of Object.entries(WRITES))
    note(name, (args) => {
      for (const position of positions) paths.write(args[position], FOLLOWING.has(name));
    });
  // The reads of the shadow see every `open` anyway.
  if (!isShadowed)
    note('open', ([path, flags]) => {
      if (typeof flags !== 'function' && !isReadFlag(flags)) paths.write(path);
    });
  // The name is made up by the system: its directory as a whole leaves the shadow.
  for (const name of ['mkdtemp', 'mkdtempDisposable'])
    note(name, ([prefix]) => {
      const shown = shownPath(prefix);
      if (shown !== undefined) paths.write(shown.endsWith('/') ? shown : dirname(shown));
    });
  late.when('fs/promises', (promises) => {
    for (const patchOne of promised) patchOne(promises);
  });
}

function noteWrites(target: object, name: string, notice: (args: unknown[]) => void): void {
  patchIfThere(
    target,
    name,
    (original) =>
      function (...args) {
        notice(args);
        return original.apply(this, args as never);
      },
  );
}

/** These are async functions, which programs that wrap functions look at. */
function notePromisedWrites(target: object, name: string, notice: (args: unknown[]) => void): void {
  patchIfThere(
    target,
    name,
    (original) =>
      async function (...args) {
        notice(args);
        return await original.apply(this, args as never);
      },
  );
}
