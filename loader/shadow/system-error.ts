/** Errors with the fields and text that `fs` gives them. */
import os from 'node:os';

const TEXTS = {
  ENOENT: 'no such file or directory',
  ENOTDIR: 'not a directory',
  EACCES: 'permission denied',
  EINVAL: 'invalid argument',
  ELOOP: 'too many symbolic links encountered',
} as const;

export type SystemCode = keyof typeof TEXTS;

/** @param path as the program gave it; left out where `fs` leaves it out */
export function systemError(
  code: SystemCode,
  syscall: string,
  path?: string,
): NodeJS.ErrnoException {
  return fsError(code, TEXTS[code], -os.constants.errno[code], syscall, path);
}

/**
 * @param text what the code means, as libuv says it
 * @param errno negative
 */
export function fsError(
  code: string,
  text: string,
  errno: number,
  syscall: string,
  path: string | undefined,
): NodeJS.ErrnoException {
  const where = path === undefined ? '' : ` '${path}'`;
  const error: NodeJS.ErrnoException = new Error(`${code}: ${text}, ${syscall}${where}`);
  error.errno = errno;
  error.code = code;
  error.syscall = syscall;
  if (path !== undefined) error.path = path;
  return error;
}
