/** Packages made by a test, a server that has them, and lock files that list them. */
import { createHash } from 'node:crypto';
import { gzipSync } from 'node:zlib';
import * as tar from 'tar-stream';
import { type Answer, ArchiveServer } from '../transport/server.ts';

export interface TestPackage {
  name: string;
  version: string;
  /** Content by path, `package.json` added. */
  files?: Record<string, string>;
  /** More fields of package.json. */
  fields?: Record<string, unknown>;
  /** Members as they are, besides the files. */
  members?: { header: Parameters<tar.Pack['entry']>[0]; content?: string }[];
}

/** A tarball as `npm pack` makes it. */
export async function tarballOf({
  name,
  version,
  files,
  fields,
  members,
}: TestPackage): Promise<Buffer> {
  const pack = tar.pack();
  const manifest = JSON.stringify({ name, version, ...fields });
  const mtime = new Date();
  for (const [path, content] of Object.entries({ 'package.json': manifest, ...files }))
    pack.entry({ name: `package/${path}`, mode: 0o644, mtime }, content);
  for (const { header, content } of members ?? []) {
    if (content === undefined) pack.entry(header);
    else pack.entry(header, content);
  }
  pack.finalize();
  const chunks: Buffer[] = [];
  for await (const chunk of pack as AsyncIterable<Buffer>) chunks.push(chunk);
  return gzipSync(Buffer.concat(chunks));
}

export function integrityOf(bytes: Buffer, algorithm = 'sha512'): string {
  return `${algorithm}-${createHash(algorithm).update(bytes).digest('base64')}`;
}

export function tarballPath(name: string, version: string): string {
  return `/${name}/-/${name.slice(name.lastIndexOf('/') + 1)}-${version}.tgz`;
}

/** A registry's tarballs, as far as npm and walla ask for them with a lock file. */
export class TestRegistry {
  readonly tarballs = new Map<string, Buffer>();
  /** What to do instead for a path, a few times or always. */
  readonly faults = new Map<string, Answer>();
  readonly server: ArchiveServer;

  constructor() {
    this.server = new ArchiveServer((request, response, count) => {
      const path = decodeURIComponent(request.url ?? '');
      const fault = this.faults.get(path);
      if (fault) return fault(request, response, count);
      const bytes = this.tarballs.get(path);
      if (bytes) response.writeHead(200, { 'content-length': bytes.length }).end(bytes);
      else response.writeHead(404).end('none');
    });
  }

  async add(one: TestPackage): Promise<Buffer> {
    const bytes = await tarballOf(one);
    this.tarballs.set(tarballPath(one.name, one.version), bytes);
    return bytes;
  }

  /** An entry of a lock file. */
  entry(one: TestPackage, more: Record<string, unknown> = {}): Record<string, unknown> {
    const path = tarballPath(one.name, one.version);
    const bytes = this.tarballs.get(path) ?? Buffer.alloc(0);
    const { version, fields = {} } = one;
    const kept = ['dependencies', 'optionalDependencies', 'os', 'cpu', 'libc', 'bin'];
    const own = Object.fromEntries(Object.entries(fields).filter(([key]) => kept.includes(key)));
    return {
      version,
      resolved: this.server.url(path),
      integrity: integrityOf(bytes),
      ...own,
      ...more,
    };
  }

  /** Serves the document that package managers read when there is no lock file yet. */
  describe(name: string, versions: TestPackage[]): void {
    const described = versions.map(({ version, fields }) => {
      const path = tarballPath(name, version);
      const bytes = this.tarballs.get(path) ?? Buffer.alloc(0);
      const shasum = createHash('sha1').update(bytes).digest('hex');
      const dist = { tarball: this.server.url(path), integrity: integrityOf(bytes), shasum };
      return [version, { name, version, ...fields, dist }] as const;
    });
    const latest = versions.at(-1)?.version;
    const body = { name, 'dist-tags': { latest }, versions: Object.fromEntries(described) };
    this.tarballs.set(`/${name}`, Buffer.from(JSON.stringify(body)));
  }
}
