/** Copying packed files and directories reads the copies on this node. */
import fs from 'node:fs';
import type { LateBuiltins } from '../late-builtins.ts';
import type { AnyFunction } from '../node-internals.ts';
import { Instead, shownPath } from './answer.ts';
import { type Callback, patchIfThere } from './forms.ts';
import type { LocalFiles } from './local-files.ts';
import { kindOf, S_IFDIR, S_IFREG, type ShadowedPaths } from './shadowed-path.ts';

export function installCopies(paths: ShadowedPaths, local: LocalFiles, late: LateBuiltins): void {
  const { image } = paths;
  /** The arguments with a file of this node as the source. */
  const redirect = (args: unknown[]): unknown[] | undefined => {
    const answer = paths.ask(args[0], true);
    if (answer === undefined || 'absent' in answer || kindOf(image, answer.entry) !== S_IFREG)
      return undefined;
    return [local.file(answer.entry), ...args.slice(1)];
  };
  patchIfThere(fs, 'copyFileSync', (original) => copyFileSync(original, redirect));
  patchIfThere(fs, 'copyFile', (original) => copyFile(original, redirect));
  patchIfThere(fs, 'cpSync', (original) => cpSync(original, paths, local, late));
  // Node.js's own code for these keeps the functions of `fs/promises` that it finds when it is first loaded.
  for (const name of ['cp', 'glob', 'globSync'])
    patchIfThere(
      fs,
      name,
      (original) =>
        function (...args) {
          late.asked('fs/promises');
          return original.apply(this, args as never);
        },
    );
  late.when('fs/promises', (promises) => {
    patchIfThere(promises, 'copyFile', (original) => copyFilePromise(original, redirect));
  });
}

type Redirect = (args: unknown[]) => unknown[] | undefined;
type Replacement = (this: unknown, ...args: unknown[]) => unknown;

function copyFileSync(original: AnyFunction, redirect: Redirect): Replacement {
  return function (...args) {
    const redirected = redirect(args);
    if (redirected) {
      try {
        return original.apply(this, redirected as never);
      } catch {
        // The same again, for the error to name the path that was given.
      }
    }
    return original.apply(this, args as never);
  };
}

function copyFile(original: AnyFunction, redirect: Redirect): Replacement {
  return function (...args) {
    const callback = args.at(-1);
    const redirected = typeof callback === 'function' ? redirect(args) : undefined;
    if (!redirected) return original.apply(this, args as never);
    const retry = (error: unknown): unknown => {
      if (error) return original.apply(this, args as never);
      (callback as Callback)(null);
      return undefined;
    };
    return original.apply(this, [...redirected.slice(0, -1), retry] as never);
  };
}

function copyFilePromise(original: AnyFunction, redirect: Redirect): Replacement {
  return async function (...args) {
    const redirected = redirect(args);
    if (redirected) {
      try {
        return await original.apply(this, redirected as never);
      } catch {
        // As above.
      }
    }
    return original.apply(this, args as never);
  };
}

/** Whether Node.js copies directories in C++, past every patch: lib/internal/fs/cp/cp-sync.js. */
const copiesInCpp = Number.parseInt(process.versions.node) >= 22;

/**
 * Elsewhere, and where a filter has to see each path, the other patched functions do the work; then
 * Node.js 22 and later look at the source themselves before that.
 */
function cpSync(
  original: AnyFunction,
  paths: ShadowedPaths,
  local: LocalFiles,
  late: LateBuiltins,
): Replacement {
  return function (...args) {
    late.asked('fs/promises');
    const [source, target, options] = args as [unknown, unknown, fs.CopySyncOptions | undefined];
    const given = copiesInCpp && !options?.filter ? shownPath(source) : undefined;
    const answer =
      given === undefined ? undefined : paths.ask(source, options?.dereference === true);
    const links: string[] = [];
    if (
      given === undefined ||
      !answer ||
      'absent' in answer ||
      // What links lead to would have to be here too.
      (options?.dereference && kindOf(paths.image, answer.entry) === S_IFDIR) ||
      !local.tree(paths, answer.entry, links)
    )
      return original.apply(this, args as never);
    const place = local.place(answer.entry);
    args[0] = place;
    const plain = given.replace(/(?<=.)\/+$/, '');
    try {
      const result = original.apply(this, args as never);
      const copied = shownPath(target) ?? '';
      for (const link of links) relink(copied + link.slice(place.length), local);
      return result;
    } catch (error) {
      throw new Instead(place, plain).renamed(error);
    }
  };
}

/** A copied link that has been made absolute leads to the original, not to the copy on this node. */
function relink(link: string, local: LocalFiles): void {
  const text = fs.readlinkSync(link);
  const original = local.original(text);
  if (original === undefined) return;
  fs.unlinkSync(link);
  fs.symlinkSync(original, link);
}
