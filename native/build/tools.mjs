/** Compilers and other programs: finding them, and running them. */
import { execFile } from 'node:child_process';
import { accessSync, constants, statSync } from 'node:fs';
import { delimiter, resolve } from 'node:path';
import { promisify } from 'node:util';

/** What goes wrong for a reason that the message tells whole. */
export class BuildError extends Error {}

const execFileAsync = promisify(execFile);

/** Runs a tool. @returns its standard output */
export async function run(tool, args) {
  try {
    const result = await execFileAsync(tool.path, [...tool.args, ...args], {
      maxBuffer: 64 << 20,
    });
    return result.stdout;
  } catch (error) {
    throw new BuildError(`${error.stdout ?? ''}${error.stderr || error.message}`.trimEnd());
  }
}

/** A program with its arguments ('ccache g++'), or undefined where it is not installed. */
export function toolNamed(commandLine) {
  const [command, ...args] = commandLine.trim().split(/\s+/);
  const directories = command.includes('/') ? [''] : (process.env.PATH ?? '').split(delimiter);
  for (const directory of directories) {
    const path = resolve(directory, command);
    try {
      accessSync(path, constants.X_OK);
    } catch {
      continue;
    }
    // Tells one version of the compiler from the next without starting it.
    const { mtimeMs, size } = statSync(path);
    return { name: commandLine, path, args, stamp: [path, mtimeMs, size, ...args].join(' ') };
  }
  return undefined;
}

/** @param target machine to build for ('aarch64-linux-gnu'); undefined: this one */
export function findCompiler(target) {
  const own = target ? [`${target}-g++`] : ['g++', 'clang++', 'c++'];
  const names = process.env.CXX ? [process.env.CXX] : own;
  for (const name of names) {
    const tool = toolNamed(name);
    if (tool) return tool;
  }
  throw new BuildError(`no C++ compiler: looked for ${names.join(', ')}; install one or set CXX`);
}
