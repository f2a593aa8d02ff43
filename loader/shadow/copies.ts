/** Copying packed files and directories reads the copies on this node. */
import fs from 'node:fs';
import type { LateBuiltins } from '../late-builtins.ts';
import type { AnyFunction } from '../node-internals.ts';
import { copiesNatively, copiesNativelyLater } from '../node-features.ts';
import { Instead, NOWHERE, shownPath } from './answer.ts';
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
  const find: Substitution = (args) => substitute(args, paths, local);
  if (copiesNatively) patchIfThere(fs, 'cpSync', (original) => cpSync(original, find));
  if (copiesNativelyLater) patchIfThere(fs, 'cp', (original) => cpCallback(original, find));
  // Node.js's own code for these keeps the functions of `fs/promises` that it finds when it is first loaded.
  for (const name of ['cp', 'cpSync', 'glob', 'globSync'])
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
    if (copiesNativelyLater) patchIfThere(promises, 'cp', (original) => cpPromise(original, find));
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

interface Substitute {
  /** The arguments with a source on this node. */
  args: unknown[];
  /** Mends links that have been copied. */
  finish(): void;
  renamed(error: unknown): unknown;
}

/**
 * What to copy from instead, for C++ code. Elsewhere, and where a filter has to see each path, the other
 * patched functions do the work; then Node.js looks at the source by itself before that.
 */
function substitute(
  args: readonly unknown[],
  paths: ShadowedPaths,
  local: LocalFiles,
): Substitute | undefined {
  const [source, target] = args;
  const options = (typeof args[2] === 'object' ? (args[2] ?? {}) : {}) as fs.CopySyncOptions;
  const given = options.filter ? undefined : shownPath(source);
  const answer = given === undefined ? undefined : paths.ask(source, false);
  if (given === undefined || answer === undefined) return undefined;
  const links: string[] = [];
  let place: string;
  if ('absent' in answer) {
    place = NOWHERE[answer.absent];
  } else {
    // What links lead to would have to be here too.
    const kind = kindOf(paths.image, answer.entry);
    if (kind !== S_IFREG && (kind !== S_IFDIR || options.dereference)) return undefined;
    if (!local.tree(paths, answer.entry, links)) return undefined;
    place = local.place(answer.entry);
  }
  const slash = given.endsWith('/') ? '/' : '';
  const instead = new Instead(place + slash, given);
  return {
    args: [place + slash, ...args.slice(1)],
    finish() {
      const copied = shownPath(target) ?? '';
      for (const link of links) relink(copied + link.slice(place.length), local);
    },
    renamed: (error) => instead.renamed(error),
  };
}

type Substitution = (args: unknown[]) => Substitute | undefined;

function cpSync(original: AnyFunction, find: Substitution): Replacement {
  return function (...args) {
    const found = find(args);
    if (!found) return original.apply(this, args as never);
    try {
      original.apply(this, found.args as never);
    } catch (error) {
      throw found.renamed(error);
    }
    found.finish();
    return undefined;
  };
}

function cpPromise(original: AnyFunction, find: Substitution): Replacement {
  return async function (...args) {
    const found = find(args);
    if (!found) return await original.apply(this, args as never);
    try {
      await original.apply(this, found.args as never);
    } catch (error) {
      throw found.renamed(error);
    }
    found.finish();
    return undefined;
  };
}

function cpCallback(original: AnyFunction, find: Substitution): Replacement {
  return function (...args) {
    const callback = args.at(-1);
    const found = typeof callback === 'function' ? find(args) : undefined;
    if (!found) return original.apply(this, args as never);
    const done: Callback = (error) => {
      if (!error) found.finish();
      (callback as Callback)(error ? found.renamed(error) : error);
    };
    return original.apply(this, [...found.args.slice(0, -1), done] as never);
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
