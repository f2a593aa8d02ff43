import { isAscii, isUtf8 } from 'node:buffer';
import { closeSync, openSync, readFileSync, readSync, type BigIntStats } from 'node:fs';
import { FLAG_ASCII, FLAG_ELF, FLAG_UTF8, type ModuleFormat } from '../format/index-layout.ts';
import { elfLibraries, isElf, type ElfLibraries } from './elf.ts';
import { fileFormat, type PackageType } from './module-format.ts';
import type { Kind } from './resolver.ts';
import { scanSource, type Scan } from './scan.ts';
import { unreadable } from './source-tree.ts';

/** Larger files are not read to trace them: they are data or native code. */
const WHOLE_FILE_BYTES = 32 * 1024 * 1024;

/** What a closer look found: see assets.ts. */
export interface Assets {
  /** Absolute paths. */
  files: string[];
  names: { kind: Kind; specifier: string }[];
  /** Directories whose change can change the answer, and their modification times. */
  directories: [path: string, mtimeNs: string][];
}

/** Everything one pack learns from a file's content; plain data, kept between packs. */
export interface FileFacts {
  size: number;
  mtimeNs: string;
  /** An edit can restore the modification time, but not this one. */
  ctimeNs: string;
  /** What the format was settled from, beside the content. */
  packageType: PackageType | null;
  asModule: boolean;
  format?: ModuleFormat | undefined;
  flags: number;
  imports: string[];
  requires: string[];
  patterns: Scan['patterns'];
  urls: string[];
  computed: Scan['computed'];
  suspicious: boolean;
  libraries?: ElfLibraries | undefined;
  assets?: Assets | undefined;
}

/** Reads a file once and finds out what it is and what it refers to. */
export function readFacts(
  path: string,
  stat: BigIntStats,
  packageType: PackageType,
  asModule: boolean,
): FileFacts {
  const facts: FileFacts = {
    size: Number(stat.size),
    mtimeNs: String(stat.mtimeNs),
    ctimeNs: String(stat.ctimeNs),
    packageType: packageType ?? null,
    asModule,
    flags: 0,
    imports: [],
    requires: [],
    patterns: [],
    urls: [],
    computed: [],
    suspicious: false,
  };
  try {
    if (stat.size > WHOLE_FILE_BYTES) readElf(path, facts);
    else readContent(path, facts, packageType);
  } catch (error) {
    throw unreadable(path, error);
  }
  return facts;
}

function readContent(path: string, facts: FileFacts, packageType: PackageType): void {
  const content = readFileSync(path);
  if (isAscii(content)) facts.flags |= FLAG_ASCII | FLAG_UTF8;
  else if (isUtf8(content)) facts.flags |= FLAG_UTF8;
  if (isElf(content)) {
    facts.flags |= FLAG_ELF;
    facts.libraries = elfLibraries((offset, length) => content.subarray(offset, offset + length));
  }
  const { format, javascript } = fileFormat(path, packageType, facts.asModule, () =>
    content.toString('utf8').replace(/^\ufeff/, ''),
  );
  facts.format = format;
  if (javascript === undefined || facts.flags & FLAG_ELF) return;
  const { imports, requires, patterns, urls, computed, suspicious } = scanSource(path, javascript);
  facts.imports = unique(imports);
  facts.requires = unique(requires);
  facts.patterns = patterns;
  facts.urls = unique(urls);
  facts.computed = computed;
  facts.suspicious = suspicious;
}

function readElf(path: string, facts: FileFacts): void {
  const fd = openSync(path, 'r');
  try {
    const readAt = (offset: number, length: number) => {
      const bytes = Buffer.alloc(length);
      return bytes.subarray(0, readSync(fd, bytes, 0, length, offset));
    };
    if (!isElf(readAt(0, 64))) return;
    facts.flags = FLAG_ELF;
    facts.libraries = elfLibraries(readAt);
    if (path.endsWith('.node')) facts.format = 'addon';
  } finally {
    closeSync(fd);
  }
}

function unique(names: string[]): string[] {
  return [...new Set(names)].filter((name) => name !== '');
}
