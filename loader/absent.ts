/**
 * Rebuilds the error Node.js gave at packing time for a name that does not resolve, so that
 * `try { require('optional') } catch` sees what it always saw, without a look at the file system.
 */

import { hasSyncHooks } from './node-features.ts';
import type { AnyFunction } from './node-internals.ts';
import { withStackTraceLimit } from './stack-trace-limit.ts';

interface RecordedError {
  name: string;
  code?: string;
  message: string;
  url?: string;
  [property: string]: unknown;
}

/** With synchronous hooks Node.js has this many more calls of its own between the program and here. */
const FRAMES_OF_HOOKS = hasSyncHooks ? 4 : -1;

/** By base class and code. */
const nodeErrorClasses = new Map<string, ErrorConstructor>();

/** Module with the internal link to its parent; where a look at `parent` is warned of, nothing here is asked. */
interface ModuleWithParent {
  filename: string | null;
  id: string;
  parent?: ModuleWithParent | null;
}

/**
 * @param recorded JSON of docs/format.md, with `{parent}` and `{root}` in place of paths
 * @param root absolute directory that the archive's root stands for now
 * @param parentPath absolute path of the importing file
 * @param request what was asked for
 * @param parent the requiring module, for CommonJS: its chain becomes `requireStack`
 * @param below the stack trace starts at the caller of this function, as if Node.js had thrown
 */
export function absentError(
  recorded: string,
  root: string,
  parentPath: string,
  request: string,
  parent?: NodeJS.Module,
  below?: AnyFunction,
): Error {
  const { name, code, message, ...rest } = JSON.parse(
    recorded.replace(/\{(parent|root)\}/g, (_, key) =>
      JSON.stringify(key === 'parent' ? parentPath : root).slice(1, -1),
    ),
  ) as RecordedError;
  if (parent && code === 'MODULE_NOT_FOUND' && rest['path'] === undefined)
    return notFoundError(request, parent, below);
  const Base = name.startsWith('TypeError') ? TypeError : Error;
  // Node.js shows the code in the stack's first line and keeps `name` plain.
  const isShown = code !== undefined && code !== 'MODULE_NOT_FOUND';
  const Shown = isShown ? nodeErrorClass(Base, code) : Base;
  const error = new Shown(message) as Error & Record<string, unknown>;
  trace(error, below, isShown ? `${Base.name} [${code}]` : undefined);
  if (code !== undefined) error['code'] = code;
  Object.assign(error, rest);
  return error;
}

/** What `require` throws when nothing has the name, with the chain of requiring modules. */
export function notFoundError(request: string, parent: NodeJS.Module, below?: AnyFunction): Error {
  const requireStack: string[] = [];
  for (
    let cursor = parent as unknown as ModuleWithParent | null | undefined;
    cursor;
    cursor = cursor.parent
  )
    requireStack.push(cursor.filename ?? cursor.id);
  const message = `Cannot find module '${request}'\nRequire stack:\n- ${requireStack.join('\n- ')}`;
  const error = new Error(message);
  trace(error, below);
  return Object.assign(error, { code: 'MODULE_NOT_FOUND', requireStack });
}

/** Node.js's own errors look like errors of the base class, but say their code as text too. */
function nodeErrorClass(Base: ErrorConstructor, code: string): ErrorConstructor {
  const key = `${Base.name} ${code}`;
  const known = nodeErrorClasses.get(key);
  if (known) return known;
  class NodeError extends Base {
    override toString(): string {
      return `${this.name} [${code}]: ${this.message}`;
    }
  }
  Object.defineProperty(NodeError.prototype, 'constructor', { get: () => Base });
  nodeErrorClasses.set(key, NodeError as ErrorConstructor);
  return NodeError as ErrorConstructor;
}

/** Takes the stack trace again, under a name that is only shown there. */
function trace(error: Error, below: AnyFunction | undefined, shownName?: string): void {
  if (shownName !== undefined)
    Object.defineProperty(error, 'name', { value: shownName, configurable: true });
  withStackTraceLimit(
    (limit) => limit + FRAMES_OF_HOOKS,
    () => Error.captureStackTrace(error, below),
  );
  if (shownName === undefined) return;
  Reflect.get(error, 'stack'); // put together at the first look, with the name of that moment
  Reflect.deleteProperty(error, 'name');
}
