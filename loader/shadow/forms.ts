/** Puts one answer in front of a function of `fs` in each of its forms. */
import type { AnyFunction } from '../node-internals.ts';
import { patch } from '../node-internals.ts';
import { Instead, MISS, type Form, type Read } from './answer.ts';

export type Table = Record<string, AnyFunction>;
export type Callback = (error: unknown, ...values: unknown[]) => void;

/** Only what this Node.js has. */
export function patchIfThere(
  target: object,
  name: string,
  make: (original: AnyFunction) => (this: unknown, ...args: unknown[]) => unknown,
): void {
  if (typeof (target as Table)[name] === 'function') patch(target as Table, name, make);
}

export function patchSync(target: object, name: string, read: Read, form: Form = 'sync'): void {
  patchIfThere(
    target,
    name,
    (original) =>
      function patched(...args) {
        let answer: unknown;
        try {
          answer = read(args[0], args[1], form, patched);
        } catch (error) {
          throw at(error, patched);
        }
        if (answer === MISS) return original.apply(this, args as never);
        if (!(answer instanceof Instead)) return answer;
        args[0] = answer.path;
        try {
          return original.apply(this, args as never);
        } catch (error) {
          throw answer.renamed(error);
        }
      },
  );
}

/** The stack trace of an `fs` error starts where `fs` was called. */
function at(error: unknown, below: AnyFunction): unknown {
  if (error instanceof Error) Error.captureStackTrace(error, below);
  return error;
}

/** @param hasValue whether the callback gets more than an error */
export function patchCallback(
  target: object,
  name: string,
  read: Read,
  hasValue = true,
  form: Form = 'callback',
): void {
  patchIfThere(
    target,
    name,
    (original) =>
      function patched(...args) {
        const callback = args.at(-1);
        if (typeof callback !== 'function') return original.apply(this, args as never);
        const options = args.length > 2 ? args[1] : undefined;
        const answer = attempt(() => read(args[0], options, form, patched));
        if ('error' in answer || (answer.value !== MISS && !(answer.value instanceof Instead))) {
          later(callback as Callback, answer, hasValue);
          return undefined;
        }
        const { value } = answer;
        if (value instanceof Instead) {
          args[0] = value.path;
          args[args.length - 1] = renaming(callback as Callback, value);
        }
        return original.apply(this, args as never);
      },
  );
}

export function renaming(callback: Callback, instead: Instead): Callback {
  return function (this: unknown, error, ...values) {
    if (error) callback.call(this, instead.renamed(error), ...values);
    else callback.call(this, error, ...values);
  };
}

export type Attempt = { value: unknown } | { error: unknown };

export function attempt(read: () => unknown): Attempt {
  try {
    return { value: read() };
  } catch (error) {
    // No JavaScript is on the stack when an input/output operation fails.
    if (error instanceof Error) error.stack = `${error.name}: ${error.message}`;
    return { error };
  }
}

/** Calls back as an input/output operation would: never before the caller has returned. */
export function later(callback: Callback, answer: Attempt, hasValue = true): void {
  if ('error' in answer) setImmediate(callback, answer.error);
  else if (hasValue) setImmediate(callback, null, answer.value);
  else setImmediate(callback, null);
}

export function patchPromise(target: object, name: string, read: Read): void {
  patchIfThere(target, name, (original) => {
    const patched = async function (this: unknown, ...args: unknown[]): Promise<unknown> {
      const answer = read(args[0], args[1], 'promise', patched);
      if (answer === MISS) return await original.apply(this, args as never);
      if (!(answer instanceof Instead)) return answer;
      args[0] = answer.path;
      try {
        return await original.apply(this, args as never);
      } catch (error) {
        throw answer.renamed(error);
      }
    };
    if (Object.prototype.toString.call(original) === '[object AsyncFunction]') return patched;
    // `opendir` is the callback form in disguise.
    return function (...args) {
      return patched.apply(this, args);
    };
  });
}
