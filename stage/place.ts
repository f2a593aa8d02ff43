/**
 * Puts the archive on every node: node leaders reserve, receive, verify, extract and publish; then all
 * ranks take hold of what their leader published.
 */
import { closeSync, openSync, readSync } from 'node:fs';
import type { Communicator } from '../native/communicator.ts';
import { loadAddon } from '../native/load-addon.ts';
import { unpackCodeCache } from './code-cache.ts';
import { WallaError } from './errors.ts';
import { type CodeCacheFields, decodeManifest } from './format/manifest.ts';
import { type Job, timed } from './job.ts';
import { type LocatedArchive, settle } from './opened-archive.ts';
import type { StageOptions } from './options.ts';
import { baseCandidates, chooseBase, chooseExecutableBase } from './staging-base.ts';
import { type HeldImage, type Placement, StagingDirectory } from './staging-directory.ts';
import { checkRoom } from './staging-room.ts';
import { vanished } from './vanished.ts';
import { isArchiveUrl } from './transport/archive-url.ts';
import { chooseTransport } from './transport/choose.ts';
import type { OnBytes } from './transport/transport.ts';

/** What every rank must know of the archive; the root rank alone has it open. */
export interface ArchivePlan {
  /** Path or URL, for messages: without credentials. */
  path: string;
  /** Whether every node can open the archive by `path`. */
  onSharedFile: boolean;
  /** The root's choice: ranks that disagreed would wait for each other. */
  transport: StageOptions['transport'];
  identity: string;
  bytes: number;
  bodyOffset: number;
  bodyDigest: string;
  natives: number;
  codeCache: CodeCacheFields | undefined;
}

/** What the root tells the others of its archive. */
export function archivePlan(archive: LocatedArchive, { transport }: StageOptions): ArchivePlan {
  const { path, onSharedFile, identity, bytes, manifest } = archive;
  const { body, counts, codeCache } = manifest;
  return {
    path,
    onSharedFile,
    transport,
    identity,
    bytes,
    bodyOffset: body.offset,
    bodyDigest: body.digest,
    natives: counts.natives,
    codeCache,
  };
}

/** Of a job's options, those that are not in the environment. */
export interface PlaceOptions extends StageOptions {
  /** Told on the root how far the transfer is. */
  onBytes?: OnBytes | undefined;
}

/** Where the image is on this node. */
export interface PlacedImage {
  image: HeldImage;
  /** Directory with the extracted natives and whatever is materialized later. */
  files: string;
  /** Held separately where the image's own file system is mounted noexec. */
  natives: HeldImage | undefined;
  /** Bytes this rank received or copied. */
  receivedBytes: number;
}

/**
 * Collective over the job's world.
 * @param archive the open archive, on the root rank (0)
 * @throws AgreedError
 */
export function place(
  job: Job,
  plan: ArchivePlan,
  archive: LocatedArchive | undefined,
  options: PlaceOptions,
): PlacedImage {
  const { world } = job;
  const nodeComm = world.splitByNode();
  const isLeader = nodeComm.rank === 0;
  const leaderComm = world.split(isLeader ? 0 : undefined, world.rank);
  try {
    return new NodePlacement(job, plan, archive, options, nodeComm, leaderComm).run();
  } finally {
    leaderComm?.free();
    nodeComm.free();
  }
}

class NodePlacement {
  readonly #job: Job;
  readonly #plan: ArchivePlan;
  readonly #archive: LocatedArchive | undefined;
  readonly #options: PlaceOptions;
  readonly #node: Communicator;
  readonly #leaders: Communicator | undefined;
  #directory: StagingDirectory | undefined;
  #nativeDirectory: StagingDirectory | undefined;
  #placement: Placement | undefined;
  #nativePlacement: Placement | undefined;
  #held: HeldImage | undefined;
  /** On the root: what the transfer reads from. */
  #source = -1;
  #heldNatives: HeldImage | undefined;

  constructor(
    job: Job,
    plan: ArchivePlan,
    archive: LocatedArchive | undefined,
    options: PlaceOptions,
    node: Communicator,
    leaders: Communicator | undefined,
  ) {
    this.#job = job;
    this.#plan = plan;
    this.#archive = archive;
    this.#options = options;
    this.#node = node;
    this.#leaders = leaders;
  }

  run(): PlacedImage {
    const { identity } = this.#plan;
    try {
      this.#job.phase('reserve', () => {
        if (this.#leaders) this.#reserve();
      });
      // Collective among the leaders: one that failed on its own in here would leave the others waiting. So
      // whatever can fail before the transfer belongs to the phase above.
      const receivedBytes = this.#job.phase('transfer', () =>
        this.#leaders ? this.#transfer(this.#leaders) : 0,
      );
      this.#closeSource();
      this.#job.phase('extract', () => {
        this.#extract();
      });
      const where = this.#node.bcastJson(
        { base: this.#directory?.base, nativeBase: this.#nativeDirectory?.base },
        0,
      ) as { base: string; nativeBase?: string };
      return this.#job.phase('hold', () => {
        const image = (this.#held ??= holdPublished(where.base, identity));
        if (where.nativeBase !== undefined)
          this.#heldNatives ??= holdPublished(where.nativeBase, identity);
        const natives = this.#heldNatives;
        return { image, natives, files: `${(natives ?? image).path}/files`, receivedBytes };
      });
    } catch (error) {
      // All ranks are here together: nobody can be using what is half done.
      this.#giveUp();
      throw error;
    }
  }

  /** Leaves nothing behind on this node. */
  #giveUp(): void {
    try {
      if (this.#placement) this.#directory?.abandon(this.#placement);
      if (this.#nativePlacement) this.#nativeDirectory?.abandon(this.#nativePlacement);
      this.#directory?.removeIfEmpty();
      this.#nativeDirectory?.removeIfEmpty();
    } catch {
      // What has failed on this rank may fail again; the next job sweeps. The first error is the one to tell.
    }
    releaseImages([this.#held, this.#heldNatives]);
  }

  #reserve(): void {
    const candidates = baseCandidates(process.env, this.#options.directory);
    const base = chooseBase(candidates);
    this.#directory = new StagingDirectory(base);
    this.#held = this.#directory.hold(this.#plan.identity, true);
    if (!this.#held) {
      settle(this.#archive); // what is out of date is not copied
      this.#placement = this.#directory.begin(this.#plan.identity, this.#plan.bytes);
    }
    this.#openSource();
    if (this.#plan.natives === 0) return;
    const nativeBase = chooseExecutableBase([base, ...candidates]);
    if (nativeBase === base) return;
    this.#nativeDirectory = new StagingDirectory(nativeBase);
    this.#heldNatives = this.#nativeDirectory.hold(this.#plan.identity, true);
    if (!this.#heldNatives)
      this.#nativePlacement = this.#nativeDirectory.begin(this.#plan.identity, 0);
  }

  #transfer(leaders: Communicator): number {
    const { bytes, bodyOffset, bodyDigest, path, transport, onSharedFile } = this.#plan;
    const { archive, httpTimeoutMs, onBytes } = this.#options;
    const opened: number[] = [];
    let digest: string | undefined;
    try {
      digest = chooseTransport(
        transport,
        leaders.size,
        onSharedFile,
      )(leaders, {
        source: () => this.#sourceFd(opened),
        targetFd: this.#placement?.imageFd ?? -1,
        bytes,
        hashFrom: bodyOffset,
        url: archive !== undefined && isArchiveUrl(archive) ? archive : undefined,
        timeoutMs: httpTimeoutMs,
        onBytes: leaders.rank === 0 ? onBytes : undefined,
      });
    } finally {
      opened.forEach(closeSync);
    }
    if (digest === undefined || !this.#placement) return 0;
    const { imageFd } = this.#placement;
    const isWhole = timed(
      this.#job.times,
      { phase: 'verify', within: 'transfer' },
      () => digest === bodyDigest && this.#receivedIdentity(imageFd) === this.#plan.identity,
    );
    if (!isWhole)
      throw new WallaError(
        'ERR_WALLA_ARCHIVE_DAMAGED',
        `${path} does not have the digest its manifest says`,
      );
    return bytes;
  }

  /** The root reads from its own node's image when it has one: then the shared file system is left alone. */
  #openSource(): void {
    if (!this.#archive) return;
    this.#source = this.#held
      ? loadAddon().openPrivateFileAt(this.#held.directoryFd, 'image', 'read')
      : this.#archive.fd;
  }

  #closeSource(): void {
    if (this.#held && this.#source >= 0) loadAddon().close(this.#source);
    this.#source = -1;
  }

  /** Leaders other than the root open the archive only where each copies it, which is not collective. */
  #sourceFd(opened: number[]): number {
    if (this.#source >= 0) return this.#source;
    const fd = openSync(this.#plan.path, 'r');
    opened.push(fd);
    return fd;
  }

  #receivedIdentity(imageFd: number): string {
    const member = Buffer.alloc(this.#plan.bodyOffset - 512);
    readSync(imageFd, member, 0, member.length, 512);
    return decodeManifest(member, loadAddon().sha256).sha256;
  }

  #extract(): void {
    if (!this.#directory) return;
    const { identity } = this.#plan;
    const addon = loadAddon();
    const keep = this.#options.keep;
    if (this.#placement) {
      const image = addon.openImage(this.#placement.imageFd, ['/']);
      const target = this.#nativePlacement ?? this.#placement;
      const filesFd = addon.openPrivateDirectoryAt(target.directoryFd, 'files', true);
      try {
        if (this.#plan.natives > 0 && !this.#heldNatives) {
          const directory = this.#nativeDirectory ?? this.#directory;
          const bytes = addon.elfBytes(image);
          checkRoom(filesFd, bytes, directory.path, "the archive's natives need");
          addon.extractElf(image, filesFd);
        }
        if (this.#plan.codeCache)
          unpackCodeCache(
            this.#plan.codeCache,
            this.#placement.imageFd,
            this.#plan.bodyOffset,
            this.#placement.directoryFd,
            this.#directory.path,
          );
      } catch (error) {
        const { code, message } = error as NodeJS.ErrnoException;
        throw code === 'ENOSPC'
          ? new WallaError(
              'ERR_WALLA_NO_SPACE',
              `cannot extract what the archive holds: ${message}`,
            )
          : error;
      } finally {
        closeSync(filesFd);
      }
    }
    if (this.#nativePlacement && this.#nativeDirectory) {
      this.#heldNatives = this.#nativeDirectory.publish(this.#nativePlacement, identity, keep);
      this.#nativePlacement = undefined;
    }
    if (this.#placement) {
      this.#held = this.#directory.publish(this.#placement, identity, keep);
      this.#placement = undefined;
    }
  }
}

/** Gives images up before this process ends; the last holder on the node removes them. */
export function releaseImages(held: readonly (HeldImage | undefined)[]): void {
  for (const image of held) {
    try {
      if (image) StagingDirectory.of(image).release(image);
    } catch {
      // Swept by the next job.
    }
  }
}

function holdPublished(base: string, identity: string): HeldImage {
  const held = new StagingDirectory(base).hold(identity);
  if (held) return held;
  throw vanished(`${base}/${identity}`);
}
