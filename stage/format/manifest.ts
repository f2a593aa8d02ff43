import { WallaError } from '../errors.ts';
import { BLOCK_BYTES } from './tar-header.ts';

export const FORMAT_VERSION = 1;

/** SHA-256 of some bytes, in hex. */
export type Digest = (bytes: Uint8Array) => string;

/** Loads node:crypto at the first use: it is a tenth of a Node.js start, and ranks have the native core's. */
const sha256: Digest = (bytes) =>
  process.getBuiltinModule('node:crypto').createHash('sha256').update(bytes).digest('hex');

const ZERO_DIGEST = '0'.repeat(64);

export interface ManifestCounts {
  files: number;
  directories: number;
  links: number;
  natives: number;
  resolutions: number;
  absent: number;
}

/** Where V8 code caches are in the archive, and whose they are (stage/format/code-cache.ts). */
export interface CodeCacheFields {
  tag: string;
  /** From what: modules that were compiled alone, or a run of the program, or walla's preload and nothing of the program. */
  made: 'compiled' | 'run' | 'preload';
  /** How many there are. */
  count: number;
  /** From the start of the body, in bytes. */
  offset: number;
  bytes: number;
}

/** Member 1 of an archive. docs/format.md explains each field. */
export interface Manifest {
  format: number;
  walla: string;
  root: string;
  entries: string[];
  platform: string;
  arch: string;
  libc: string;
  node: string;
  abi: string;
  conditions: string[];
  preserveSymlinks: boolean;
  counts: ManifestCounts;
  dataBytes: number;
  body: { offset: number; bytes: number; digest: string };
  fingerprint: string;
  /** Where packages came from, if they do not lie in the tree as files: they are not to be compared with it. */
  packages?: 'lockfile' | 'pnp';
  codeCache?: CodeCacheFields;
  sha256: string;
}

/** A manifest before its place in the archive and its digests are known. */
export type ManifestFields = Omit<Manifest, 'format' | 'body' | 'sha256'>;

/**
 * Encodes a manifest as a padded member. Its size depends on neither digest, so a first call with
 * placeholder digests says how much room the member takes.
 * @param bodyBytes size of everything behind the manifest
 * @param bodyDigest digest of the body's pieces (piece-digest.ts), or undefined for a placeholder
 */
export function encodeManifest(
  fields: ManifestFields,
  bodyBytes: number,
  bodyDigest = ZERO_DIGEST,
): { bytes: Buffer; manifest: Manifest } {
  // The body's offset is part of the text whose length decides the offset: try sizes until it fits.
  for (let memberBytes = BLOCK_BYTES; ; memberBytes += BLOCK_BYTES) {
    const body = { offset: BLOCK_BYTES + memberBytes, bytes: bodyBytes, digest: bodyDigest };
    const unsigned: Manifest = { format: FORMAT_VERSION, ...fields, body, sha256: ZERO_DIGEST };
    const text = pad(unsigned, memberBytes);
    if (text === undefined) continue;
    const manifest = { ...unsigned, sha256: sha256(text) };
    return { bytes: pad(manifest, memberBytes) ?? text, manifest };
  }
}

function pad(manifest: Manifest, memberBytes: number): Buffer | undefined {
  const json = Buffer.from(JSON.stringify(manifest, null, 2));
  if (json.length + 1 > memberBytes) return undefined;
  const bytes = Buffer.alloc(memberBytes, ' ');
  json.copy(bytes);
  bytes[memberBytes - 1] = 0x0a;
  return bytes;
}

/**
 * Decodes and checks a manifest member, its own digest included.
 * @param digest SHA-256; that of node:crypto if left out
 * @throws ERR_WALLA_ARCHIVE_FORMAT for another format version, ERR_WALLA_ARCHIVE_DAMAGED otherwise
 */
export function decodeManifest(member: Buffer, digest: Digest = sha256): Manifest {
  let value: unknown;
  try {
    value = JSON.parse(member.toString('utf8'));
  } catch (cause) {
    throw damaged('the manifest is not JSON', cause);
  }
  if (!isRecord(value)) throw damaged('the manifest is not an object');
  // The version comes first: another version may have other fields and another digest.
  if (value['format'] !== FORMAT_VERSION) {
    const found = JSON.stringify(value['format']);
    throw new WallaError(
      'ERR_WALLA_ARCHIVE_FORMAT',
      `the archive has format ${found}, this walla reads format ${FORMAT_VERSION}`,
    );
  }
  if (!isManifest(value)) throw damaged('the manifest lacks a field or has one of another type');
  if (digestWithout(member, value.sha256, digest) !== value.sha256) {
    throw damaged('the manifest does not match its own digest');
  }
  return value;
}

function digestWithout(member: Buffer, own: string, digest: Digest): string {
  const at = member.lastIndexOf(own);
  const copy = Buffer.from(member);
  copy.write(ZERO_DIGEST, at);
  return digest(copy);
}

const STRINGS = ['walla', 'root', 'platform', 'arch', 'libc', 'node', 'abi'] as const;
const COUNTS = ['files', 'directories', 'links', 'natives', 'resolutions', 'absent'] as const;

function isManifest(value: Record<string, unknown>): value is Record<string, unknown> & Manifest {
  const { counts, body } = value;
  return (
    STRINGS.every((name) => typeof value[name] === 'string') &&
    isStrings(value['entries']) &&
    isStrings(value['conditions']) &&
    typeof value['preserveSymlinks'] === 'boolean' &&
    isRecord(counts) &&
    COUNTS.every((name) => isCount(counts[name])) &&
    isCount(value['dataBytes']) &&
    isRecord(body) &&
    isCount(body['offset']) &&
    isCount(body['bytes']) &&
    isDigest(body['digest']) &&
    isDigest(value['fingerprint']) &&
    isCodeCache(value['codeCache'], body['bytes']) &&
    [undefined, 'lockfile', 'pnp'].includes(value['packages'] as undefined) &&
    isDigest(value['sha256'])
  );
}

function isCodeCache(value: unknown, bodyBytes: number): boolean {
  if (value === undefined) return true;
  return (
    isRecord(value) &&
    Number(value['offset']) + Number(value['bytes']) <= bodyBytes &&
    typeof value['tag'] === 'string' &&
    ['compiled', 'run', 'preload'].includes(value['made'] as string) &&
    ['count', 'offset', 'bytes'].every((name) => isCount(value[name]))
  );
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isStrings(value: unknown): value is string[] {
  return Array.isArray(value) && value.every((item) => typeof item === 'string');
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function isDigest(value: unknown): value is string {
  return typeof value === 'string' && /^[0-9a-f]{64}$/.test(value);
}

function damaged(message: string, cause?: unknown): WallaError {
  return new WallaError('ERR_WALLA_ARCHIVE_DAMAGED', message, { cause });
}
