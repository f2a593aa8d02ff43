/**
 * Archives that are not plain files yet: downloaded or unpacked by a child process, which keeps undici and fflate out
 * of the program and lets staging be synchronous.
 */
import { closeSync, constants, openSync, unlinkSync } from 'node:fs';
import { loadAddon } from '../../native/load-addon.ts';
import { wholePackage } from '../../native/addon-path.ts';
import { launcherVariables } from '../../native/launcher.ts';
import { WallaError } from '../errors.ts';
import { faultOfChild } from '../fault.ts';
import { downloadsDirectory, type StageOptions } from '../options.ts';
import { baseCandidates, chooseBase } from '../staging-base.ts';
import { parseArchiveUrl, showUrl, withoutSecrets } from './archive-url.ts';
import type { FetchReply, FetchRequest } from './fetch/request.ts';

/** O_TMPFILE without the O_DIRECTORY in it, whose value differs between processors. */
const TMPFILE_BIT = 0o20000000;

type Fetched = Extract<FetchReply, { ok: true }>;

/**
 * Downloads an archive to this node, or finds that the copy of an earlier download is still right. Not collective.
 * @returns a descriptor of the plain archive, whose digests have been checked; nothing is left when it is closed
 * @throws WallaError ERR_WALLA_TRANSFER and others; no message holds what may be a credential
 */
export function downloadArchive(archive: string, options: StageOptions): number {
  const url = parseArchiveUrl(archive);
  const downloads = downloadsDirectory(options.downloads, process.env);
  return intoAnonymousFile(options, (fd) => {
    const { kept } = download(url, fd, 'locate.middle', options.httpTimeoutMs, downloads, options);
    if (kept === undefined || downloads === undefined) return fd;
    const directoryFd = loadAddon().openPrivateDirectory(downloads, false);
    try {
      const keptFd = loadAddon().openPrivateFileAt(directoryFd, kept, 'read');
      if (keptFd >= 0) return keptFd;
      throw new WallaError('ERR_WALLA_TRANSFER', `${showUrl(url)} vanished from ${downloads}`);
    } finally {
      closeSync(directoryFd);
    }
  });
}

/**
 * Downloads an archive into an open file, keeping no copy. Not collective.
 * @returns digest of its body, in hex
 * @throws as downloadArchive
 */
export function downloadInto(archive: string, targetFd: number, timeoutMs: number): string {
  return download(parseArchiveUrl(archive), targetFd, 'transfer.middle', timeoutMs, undefined)
    .bodyDigest;
}

/**
 * Unpacks a gzip file to this node. Not collective.
 * @returns as downloadArchive
 * @throws WallaError ERR_WALLA_ARCHIVE_DAMAGED, ERR_WALLA_ARCHIVE_FORMAT, ERR_WALLA_NO_SPACE
 */
export function unpackArchive(sourceFd: number, name: string, options: StageOptions): number {
  return intoAnonymousFile(options, (fd) => {
    fetch({ kind: 'unpack', name }, [fd, sourceFd]);
    return fd;
  });
}

function download(
  url: URL,
  targetFd: number,
  faultPoint: string,
  timeoutMs: number,
  downloads: string | undefined,
  { downloads: named }: Partial<StageOptions> = {},
): Fetched {
  const request = { kind: 'download', url: url.href, timeoutMs, downloads } as const;
  return fetch({ ...request, downloadsNamed: named !== undefined }, [targetFd], url, faultPoint);
}

/** @param descriptors what the child has as 3 and on */
function fetch(
  request: FetchRequest,
  descriptors: number[],
  url?: URL,
  faultPoint?: string,
): Fetched {
  // Loaded here alone: most jobs do not download.
  const { spawnSync } = process.getBuiltinModule('node:child_process');
  const { stdout, stderr, status, signal, error } = spawnSync(
    process.execPath,
    [`${wholePackage()}/dist/fetch.js`],
    {
      env: { ...childEnvironment(), ...faultOfChild(faultPoint) },
      input: JSON.stringify(request),
      stdio: ['pipe', 'pipe', 'pipe', ...descriptors],
      encoding: 'utf8',
    },
  );
  const reply = parseReply(stdout);
  if (reply?.ok) return reply;
  if (reply) throw new WallaError(reply.code, reply.message, { hint: reply.hint });
  const how = error?.message ?? `ended with ${signal ?? status ?? '?'}`;
  const text = `the process that fetches the archive ${how}: ${stderr.trim().slice(-2000)}`;
  throw new WallaError('ERR_WALLA_TRANSFER', url ? withoutSecrets(text, url) : text);
}

function parseReply(text: string): FetchReply | undefined {
  try {
    return JSON.parse(text) as FetchReply;
  } catch {
    return undefined;
  }
}

/** Without what would make it a rank, load a program's own code into it, or have it print URLs. */
function childEnvironment(): NodeJS.ProcessEnv {
  const unwanted = new Set([...launcherVariables(process.env), 'NODE_OPTIONS', 'NODE_DEBUG']);
  return Object.fromEntries(
    Object.entries(process.env).filter(
      ([name]) => !unwanted.has(name) && !name.startsWith('WALLA_'),
    ),
  );
}

/**
 * Makes a file without a name on this node: the kernel removes it with its last descriptor, however the job ends.
 * @param fill returns the descriptor to use, which may be another
 */
function intoAnonymousFile(options: StageOptions, fill: (fd: number) => number): number {
  const fd = anonymousFile(chooseBase(baseCandidates(process.env, options.directory)));
  let used = -1;
  try {
    used = fill(fd);
    return used;
  } finally {
    if (used !== fd) closeSync(fd);
  }
}

function anonymousFile(base: string): number {
  const { O_RDWR, O_DIRECTORY, O_CREAT, O_EXCL, O_NOFOLLOW } = constants;
  try {
    return openSync(base, O_RDWR | O_DIRECTORY | TMPFILE_BIT, 0o600);
  } catch {
    // NFS and some others have no such files.
    const path = `${base}/walla-${process.pid}-${process.hrtime.bigint()}`;
    const fd = openSync(path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600);
    unlinkSync(path);
    return fd;
  }
}
