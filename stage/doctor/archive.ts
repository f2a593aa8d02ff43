/** Whether the archive of a program is there and still fits. */
import { formatName } from '../format-name.ts';
import { accessSync, closeSync, constants, existsSync } from 'node:fs';
import { dirname } from 'node:path';
import { defaultArchivePath, WALLA_DIRECTORY } from '../archive-path.ts';
import { fitsThisProcess } from '../attachment.ts';
import { WallaError } from '../errors.ts';
import { formatBytes } from '../format-bytes.ts';
import { locateForPlacing } from '../locate.ts';
import { given, readOptions } from '../options.ts';
import { checkStale } from '../stale-check.ts';
import { type Check, stopped, type Subject } from './check.ts';

export interface ArchiveFinding {
  check: Check;
  /** Size, for the checks of room. */
  bytes: number | undefined;
}

export function checkArchive({ entry, env }: Subject): ArchiveFinding {
  const name = 'archive';
  const named = given(env['WALLA_ARCHIVE']);
  const path = named ?? (entry === undefined ? undefined : defaultArchivePath(entry));
  if (path === undefined)
    return {
      check: { name, status: 'ok', found: 'no program was named', hint: 'walla doctor app.mjs' },
      bytes: undefined,
    };
  if (named === undefined && !existsSync(path)) return { check: missing(path), bytes: undefined };
  try {
    return look(path, named !== undefined, entry ?? '');
  } catch (error) {
    const { code } = WallaError.from(error);
    // A cache that cannot be used is simply packed again.
    const check = named === undefined ? again(path, code) : stopped(name, error);
    return { check, bytes: undefined };
  }
}

function look(path: string, isNamed: boolean, entry: string): ArchiveFinding {
  const options = readOptions(process.env);
  const archive = locateForPlacing(path, options);
  try {
    const { manifest, bytes } = archive;
    const data = { path, bytes, node: manifest.node, files: manifest.counts.files };
    const why = whyOutOfDate(archive, options.stale);
    const found = `${archive.path}, ${formatBytes(bytes)}, packed by Node.js ${formatName(manifest.node)}`;
    if (why === undefined)
      return {
        check: { name: 'archive', status: 'ok', found: `${found}, fits the tree`, data },
        bytes,
      };
    if (!isNamed) return { check: { ...again(path, why), data: { ...data, why } }, bytes };
    return {
      check: {
        name: 'archive',
        status: 'stops',
        found: `${found}, is out of date: ${why}`,
        hint: `pack again: walla pack ${entry || 'ENTRY'} -o ${path}`,
        data: { ...data, why },
      },
      bytes,
    };
  } finally {
    closeSync(archive.fd);
  }
}

function whyOutOfDate(
  archive: ReturnType<typeof locateForPlacing>,
  stale: 'check' | 'lockfile' | 'use',
): string | undefined {
  const { abi, node } = archive.manifest;
  if (abi !== process.versions.modules) return `this is Node.js ${process.version}, not ${node}`;
  if (!fitsThisProcess(archive.manifest)) return 'it was packed under other conditions';
  return checkStale(archive, stale).reason;
}

function missing(path: string): Check {
  const check = { name: 'archive', data: { path } };
  const closed = closedDirectory(path);
  if (closed === undefined)
    return {
      ...check,
      status: 'ok',
      found: 'none yet: the first job packs it',
      hint: 'pack ahead of the job: walla pack PROGRAM',
    };
  return {
    ...check,
    status: 'stops',
    found: `none yet, and ${closed} cannot be written`,
    hint: 'pack elsewhere: walla pack PROGRAM -o FILE, then WALLA_ARCHIVE=FILE',
  };
}

function again(path: string, why: string): Check {
  const closed = closedDirectory(path);
  return {
    name: 'archive',
    status: closed === undefined ? 'warns' : 'stops',
    found: `${path} is out of date (${why})${closed === undefined ? ': the next job packs again, while all ranks wait' : `, and ${closed} cannot be written`}`,
    hint:
      closed === undefined
        ? 'pack ahead of the job: walla pack PROGRAM'
        : 'pack elsewhere: walla pack PROGRAM -o FILE',
    data: { path },
  };
}

/** The directory that a packed archive could not be written to. */
function closedDirectory(path: string): string | undefined {
  const own = dirname(path);
  const directory = !existsSync(own) && own.endsWith(WALLA_DIRECTORY) ? dirname(own) : own;
  try {
    accessSync(directory, constants.W_OK);
    return undefined;
  } catch {
    return directory;
  }
}
