import { dirname, join, relative, resolve } from 'node:path';
import { defaultArchivePath } from '../archive-path.ts';
import { WallaError } from '../errors.ts';
import { codeCacheTag } from '../code-cache.ts';
import type { CodeCaches } from '../format/code-cache.ts';
import type { Manifest, ManifestFields } from '../format/manifest.ts';
import { WALLA_VERSION } from '../version.ts';
import { codeCachesOfRun, compileCodeCaches, compilesModules, looksAtCode } from './code-cache.ts';
import { digestFrom, openArchive } from './archive-reader.ts';
import { writeArchive } from './archive-writer.ts';
import { contentsOf, isNative, type Contents } from './contents.ts';
import { findEntry, type Entry } from './entries.ts';
import { fingerprint } from './fingerprint.ts';
import { isFresh } from './freshness.ts';
import { Patterns } from './globs.ts';
import { includedFiles } from './include.ts';
import { libcName } from './libc.ts';
import { addLearnt, learn } from './learn.ts';
import type { AssembledTree } from './assembled-tree.ts';
import { type Mirror, MirroredTree } from './mirror.ts';
import { treeForPrograms } from './tree-for-programs.ts';
import type { PackOptions, PackSummary } from './pack-options.ts';
import { record } from './record.ts';
import { projectOf } from './record-scope.ts';
import { resolutionRules, sorted } from '../resolution-rules.ts';
import { Resolver } from './resolver.ts';
import { SourceTree } from './source-tree.ts';
import { makeWallaDirectory, notesPath, readNotes, writeNotes } from './trace-notes.ts';
import { trace } from './trace.ts';

export type { PackOptions, PackProgress, PackSummary } from './pack-options.ts';

/**
 * Packs programs and everything they can load into one archive.
 * @throws ERR_WALLA_NO_ENTRY, ERR_WALLA_UNREADABLE, ERR_WALLA_PACK, ERR_WALLA_REPORT, ERR_WALLA_USAGE; with
 *   `lockfile` ERR_WALLA_LOCKFILE, ERR_WALLA_INTEGRITY, ERR_WALLA_INSTALL_SCRIPT, ERR_WALLA_TRANSFER, ERR_WALLA_PLATFORM too
 */
export async function pack(options: PackOptions): Promise<PackSummary> {
  let assembled: AssembledTree | undefined;
  try {
    const packing = new Packing(options);
    assembled = await packing.assembledTree();
    return await packing.run(assembled);
  } catch (error) {
    throw WallaError.from(error, 'ERR_WALLA_PACK');
  } finally {
    assembled?.mirror.remove();
  }
}

/** One run of `pack`. */
class Packing {
  readonly #options: PackOptions;
  readonly #started = performance.now();
  readonly #directory: string;
  readonly #entries: Entry[];
  readonly #conditions: string[];
  readonly #preserveSymlinks: boolean;
  readonly #file: string;
  readonly #notesPath: string;
  #vanished: string[] = [];
  #failedToCompile: string | undefined;

  constructor(options: PackOptions) {
    const flags = resolutionRules();
    this.#options = options;
    this.#directory = resolve(options.directory ?? '.');
    this.#conditions = sorted(options.conditions ?? flags.conditions);
    this.#preserveSymlinks = options.preserveSymlinks ?? flags.preserveSymlinks;
    this.#entries = options.entries.map((entry) =>
      findEntry(entry, this.#directory, this.#preserveSymlinks),
    );
    this.#file =
      options.output === undefined
        ? defaultArchivePath(this.#first.given)
        : resolve(this.#directory, options.output);
    this.#notesPath = notesPath(this.#first.given, {
      entries: this.#entries,
      include: options.include ?? [],
      exclude: options.exclude ?? [],
      directory: this.#directory,
      conditions: this.#conditions,
      preserveSymlinks: this.#preserveSymlinks,
      nodePath: process.env['NODE_PATH'] ?? '',
      ...(options.lockfile !== undefined && {
        lockfile: resolve(this.#directory, options.lockfile),
      }),
      node: process.version,
      walla: WALLA_VERSION,
    });
  }

  get #first(): Entry {
    const [first] = this.#entries;
    if (first === undefined) throw new WallaError('ERR_WALLA_NO_ENTRY', 'no program was named');
    return first;
  }

  /** Where the packages are put together for this pack; undefined where they are packed as they lie. */
  assembledTree(): Promise<AssembledTree | undefined> {
    const { lockfile } = this.#options;
    return treeForPrograms(
      lockfile === undefined ? undefined : resolve(this.#directory, lockfile),
      this.#entries.map(({ real }) => real),
      this.#options,
    );
  }

  /** @param assembled what to pack instead of the tree as it lies */
  async run(assembled?: AssembledTree): Promise<PackSummary> {
    const { record: recordArguments, learn: report, dryRun, progress } = this.#options;
    const learnt =
      report === undefined
        ? undefined
        : learn(
            resolve(this.#directory, report),
            this.#entries.map(({ real }) => real),
          );
    // Before anything is looked at: it changes the directory that is about to be packed.
    if (!dryRun) makeWallaDirectory(this.#first.given);
    const notes = readNotes(this.#notesPath);
    if (recordArguments === undefined && learnt === undefined && !assembled && !dryRun) {
      const current = await this.#upToDate(notes.archives.get(this.#file));
      if (current !== undefined) return current;
    } else if (recordArguments !== undefined) {
      notes.recorded = await record(this.#first.given, recordArguments, {
        conditions: this.#conditions,
        preserveSymlinks: this.#preserveSymlinks,
        directory: this.#directory,
      });
    }
    if (learnt !== undefined) {
      notes.recorded = addLearnt(notes.recorded, learnt);
      this.#vanished = learnt.vanished;
    }

    // Before the tree is looked at: the program may write to it.
    const ofRun = dryRun ? undefined : await this.#codeCachesOfRun();
    const { contents, traced, facts, isLookedAt } = await this.#trace(notes, assembled);
    const fields = this.#manifestFields(contents, assembled);
    if (dryRun) return this.#summary(false, 0, fields, traced, assembled);
    const codeCaches = ofRun ?? (await this.#compiledCodeCaches(contents, isLookedAt));
    const made = ofRun ? 'run' : isLookedAt ? 'preload' : 'compiled';
    const manifest = await writeArchive({
      file: this.#file,
      contents,
      manifest: fields,
      codeCaches: codeCaches && { ...codeCaches, made },
      onBytes: progress?.onBytes,
    });
    notes.archives.set(this.#file, manifest.sha256);
    if (!assembled) writeNotes(this.#notesPath, { ...notes, facts });
    const bytes = manifest.body.offset + manifest.body.bytes;
    return this.#summary(true, bytes, manifest, traced, assembled);
  }

  async #codeCachesOfRun(): Promise<CodeCaches | undefined> {
    const args = this.#options.codeCache;
    if (!args) return undefined;
    return codeCachesOfRun(this.#first.real, {
      args,
      conditions: this.#conditions,
      preserveSymlinks: this.#preserveSymlinks,
      directory: this.#directory,
    });
  }

  async #compiledCodeCaches(
    { root, source, entries }: Contents,
    isLookedAt: boolean,
  ): Promise<CodeCaches | undefined> {
    if (this.#options.codeCache === false || !compilesModules) return undefined;
    const compiled = await compileCodeCaches(
      (isLookedAt ? [] : entries).map(({ path, format, size }) => {
        return { path: join(root, path), source: source(path), format, size };
      }),
    );
    if (typeof compiled !== 'string') return compiled;
    this.#failedToCompile = compiled;
    return undefined;
  }

  /** Whether an archive has the code caches that are asked for. */
  #hasCodeCaches({ codeCache }: Manifest): boolean {
    const wanted = this.#options.codeCache;
    if (wanted) return codeCache?.made === 'run' && codeCache.tag === codeCacheTag();
    if (wanted === false || !compilesModules) return codeCache === undefined;
    const isOwn = codeCache?.tag.startsWith(`${process.version}-${process.arch}-`) ?? false;
    return isOwn && codeCache?.made !== 'run';
  }

  async #upToDate(sha256: string | undefined): Promise<PackSummary | undefined> {
    if (sha256 === undefined) return undefined;
    try {
      const { handle, bytes, mtimeNs, manifest, index } = await openArchive(this.#file);
      await handle.close();
      const { root, preserveSymlinks, body } = manifest;
      if (manifest.walla !== WALLA_VERSION || !this.#hasCodeCaches(manifest)) return undefined;
      if (manifest.sha256 !== sha256) return undefined;
      if (!isFresh(index, mtimeNs, root, preserveSymlinks)) return undefined;
      // A damaged archive must not be called up to date: packing again is what its error tells to do.
      if ((await digestFrom(this.#file, body.offset)) !== body.digest) return undefined;
      return this.#summary(false, bytes, manifest, 0);
    } catch {
      // Gone or damaged: it is simply written again.
      return undefined;
    }
  }

  async #trace(notes: ReturnType<typeof readNotes>, assembled: AssembledTree | undefined) {
    const { include = [], exclude = [], ignoreScripts, progress } = this.#options;
    const mirror = assembled?.mirror;
    // From here on paths are those of the mirror, where there is one.
    const inside = (path: string) => mirror?.inside(path) ?? path;
    const tree = mirror
      ? new MirroredTree(mirror, this.#preserveSymlinks)
      : new SourceTree(this.#preserveSymlinks);
    const resolver = new Resolver({
      conditions: this.#conditions,
      preserveSymlinks: this.#preserveSymlinks,
      pnp: assembled?.pnp,
    });
    try {
      const entries = this.#entries.map(({ real }) => inside(real));
      const first = inside(this.#first.real);
      const base = inside(this.#directory);
      const directory = dirname(tree.scope(dirname(first))?.path ?? first);
      const excluded = new Patterns(exclude, base);
      const found = await trace({
        entries,
        include: includedFiles(include, base, dirname(first)),
        exclude: excluded,
        projects: this.#entries.map(({ real }) => inside(projectOf(dirname(real)))),
        recorded: notes.recorded,
        tree,
        resolver,
        directory,
        known: notes.facts,
        onFiles: progress?.onFiles,
      });
      if (!ignoreScripts)
        assembled?.refuseInstallScripts?.((place) =>
          [...found.files.keys()].some((path) => path.startsWith(`${place}/`)),
        );
      for (const { given } of this.#entries) if (isIn(mirror, given)) tree.follow(inside(given));
      const given = this.#entries.flatMap(({ given, real }) =>
        given === real ? [] : [inside(given)],
      );
      const contents = contentsOf(found, tree, given, (path) => excluded.match(path));
      const root = mirror?.outside(contents.root) ?? contents.root;
      return {
        contents: { ...contents, root },
        traced: found.read,
        facts: found.facts,
        isLookedAt: looksAtCode([...found.files.values()].map(({ facts }) => facts)),
      };
    } finally {
      await resolver.close();
    }
  }

  #manifestFields(
    { root, entries, resolutions }: Contents,
    assembled: AssembledTree | undefined,
  ): ManifestFields {
    const count = (type: number) => entries.filter(({ mode }) => (mode & 0o170000) === type).length;
    const files = entries.filter(({ mode }) => (mode & 0o170000) === 0o100000);
    return {
      walla: WALLA_VERSION,
      root,
      entries: this.#entries.map(({ real }) => relative(root, real)),
      platform: process.platform,
      arch: process.arch,
      libc: libcName(),
      node: process.version,
      abi: process.versions.modules,
      conditions: this.#conditions,
      preserveSymlinks: this.#preserveSymlinks,
      counts: {
        files: files.length,
        directories: count(0o040000),
        links: count(0o120000),
        natives: entries.filter(isNative).length,
        resolutions: resolutions.length,
        absent: resolutions.filter(({ outcome }) => outcome === 'absent').length,
      },
      dataBytes: files.reduce((sum, { size }) => sum + size, 0),
      fingerprint: fingerprint(entries),
      ...(assembled && { packages: assembled.packages }),
    };
  }

  #summary(
    written: boolean,
    bytes: number,
    manifest: Manifest | ManifestFields,
    traced: number,
    assembled?: AssembledTree,
  ): PackSummary {
    const elapsedMs = performance.now() - this.#started;
    return {
      file: this.#file,
      written,
      bytes,
      manifest,
      traced,
      vanished: this.#vanished,
      failedToCompile: this.#failedToCompile,
      ...(assembled?.summary && { packages: assembled.summary }),
      elapsedMs,
    };
  }
}

function isIn(mirror: Mirror | undefined, path: string): boolean {
  return mirror === undefined || mirror.isMirrored(mirror.inside(path));
}
