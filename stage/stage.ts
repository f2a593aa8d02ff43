/**
 * Staging from beginning to end, to be read top to bottom: boot, locate, place, attach. Synchronous, so that the
 * program's first line runs only when everything is in place.
 */
import { closeSync } from 'node:fs';
import { installLoader } from '../loader/install.ts';
import type { Entry } from '../loader/commonjs.ts';
import { coreHome, loadAddon } from '../native/load-addon.ts';
import { packageDirectory } from '../native/addon-path.ts';
import type { NativeImage } from '../native/addon.ts';
import { blameAsker, distinctPrograms } from './asked-programs.ts';
import { type Attachment, fitsThisProcess, openAttachedImage } from './attachment.ts';
import { inheritedAttachment, keepChildrenStaged, shareWithChildren } from './children.ts';
import { useCodeCache } from './code-cache.ts';
import { WallaError } from './errors.ts';
import { faultAt } from './fault.ts';
import { Job, type PhaseTime, timed } from './job.ts';
import { locate } from './locate.ts';
import { isUnsettled, type LocatedArchive, settle } from './opened-archive.ts';
import { noteLocated } from './located-note.ts';
import type { StageOptions } from './options.ts';
import { type ArchivePlan, archivePlan, place, type PlacedImage, releaseImages } from './place.ts';
import { givenEntry } from './program-entry.ts';
import { withNodeLock } from './node-lock.ts';
import {
  type BegunReport,
  beginReport,
  placeOf,
  reportTimes,
  startReport,
} from './report/start.ts';
import { settingsOf } from './settings.ts';
import { summary } from './summary.ts';
import type { Communicator } from '../native/communicator.ts';

/**
 * Attaches a child process or worker to the image its parent staged. Not collective.
 * @returns false if there is nothing to attach to
 */
export function attachInherited(options: StageOptions): boolean {
  const inherited = inheritedAttachment(process.env);
  if (!inherited) return false;
  const { attachment, shadow } = inherited;
  // A child that was given other rules runs from the real files: it never stages for itself.
  if (!fitsThisProcess(attachment)) return true;
  let image: NativeImage;
  try {
    image = openAttachedImage(attachment);
  } catch {
    return false; // the job that staged it is over: the real files are all there is
  }
  install(
    image,
    attachment,
    entryOf(image, givenEntry()),
    { ...options, shadow: options.shadow && shadow },
    false,
  );
  return true;
}

/**
 * Stages the program that is starting. Collective over `world`.
 * @param times what this process has done before
 * @throws AgreedError on every rank alike
 */
export function stage(
  world: Communicator,
  release: boolean,
  times: PhaseTime[],
  readStageOptions: () => StageOptions,
): void {
  const job = new Job(world, times);
  faultAt('mpi');
  const options = job.phase('boot', readStageOptions);
  if (world.size > 1) job.compare(settingsOf(options, release));
  // Without MPI the processes of a node cannot agree; a lock lets one of them do the work.
  const staged =
    world.size > 1
      ? stageAndInstall(job, options, () => undefined)
      : withNodeLock(options, (letOthersGoOn) => stageAndInstall(job, options, letOthersGoOn));
  const { archive, plan, placed, attachment } = staged;
  shareWithChildren(attachment, process.env);
  removeWhenLast(placed, options);
  if (plan.verbose) summary(job, plan, placed, archive);
  if (plan.report) reportTimes(job, plan.report, placed.receivedBytes, archive);
  job.end();
}

function stageAndInstall(
  job: Job,
  options: StageOptions,
  letOthersGoOn: () => void,
): Located & { attachment: Attachment } {
  const { world } = job;
  const given = givenEntry();
  const located = locateAndPlace(job, given, options);
  const { archive, plan, placed } = located;
  const isCompared = !isUnsettled(archive);
  if (isCompared) letOthersGoOn();
  const attachment: Attachment = {
    directory: placed.image.path,
    files: placed.files,
    roots: plan.roots,
    abi: plan.abi,
    conditions: plan.conditions,
    preserveSymlinks: plan.preserveSymlinks,
    codeCacheTag: plan.codeCache?.made === 'preload' ? undefined : plan.codeCache?.tag,
    core: { pid: process.pid, addon: coreHome() },
    ...(plan.report && { report: placeOf(plan.report, world) }),
  };
  try {
    const { image, entry } = job.phase('attach', () => openProgram(plan, attachment, given));
    // After the last agreement: where one rank fails, none may be left with hooks.
    timed(job.times, { phase: 'hooks' }, () => {
      install(image, attachment, entry, options, true);
    });
    if (!isCompared) {
      job.phase('compare', () => {
        settle(archive);
      });
      located.note?.();
    }
  } catch (error) {
    releaseImages([placed.image, placed.natives]);
    throw error;
  }
  return { ...located, attachment };
}

/** Maps the image and finds this rank's program in it. */
function openProgram(
  plan: FullPlan,
  attachment: Attachment,
  given: string | undefined,
): { image: NativeImage; entry: Entry | undefined } {
  const image = openAttachedImage(attachment);
  const entry = plan.programs.find((program) => program.given === given);
  if (given !== undefined && !(entry && image.find(entry.real, true) >= 0))
    throw new WallaError('ERR_WALLA_NOT_PACKED', `${plan.path} does not hold the program ${given}`);
  return { image, entry };
}

interface FullPlan extends ArchivePlan {
  roots: string[];
  programs: Entry[];
  abi: string;
  conditions: string[];
  preserveSymlinks: boolean;
  /** The root's: the summary is collective. */
  verbose: boolean;
  report: BegunReport | undefined;
}

/** What rank 0 has found; nothing on the others. */
interface Found {
  archive?: LocatedArchive;
  report?: BegunReport | undefined;
}

interface Located {
  archive: LocatedArchive | undefined;
  plan: FullPlan;
  placed: PlacedImage;
  /** Tells the processes that wait behind the node's lock that the archive has been compared. */
  note: (() => void) | undefined;
}

function locateAndPlace(job: Job, given: string | undefined, options: StageOptions): Located {
  const { world } = job;
  const programs = distinctPrograms(world, given);
  const entries = programs.map((program) => program.given);
  const { archive, report } = job.phase('locate', (): Found => {
    if (world.rank !== 0) return {};
    try {
      const archive = locate(entries, options, world.size === 1);
      return { archive, report: beginReport(options.report, archive, world.size) };
    } catch (error) {
      throw blameAsker(WallaError.from(error), programs);
    }
  });
  try {
    const plan = world.bcastJson(archive && planOf(archive, options, report), 0) as FullPlan;
    const placed = place(job, plan, archive, options);
    const note =
      world.size === 1 && archive?.checkedAtNs !== undefined
        ? noteLocated(placed.image, entries, options, archive.checkedAtNs)
        : undefined;
    if (!isUnsettled(archive)) note?.();
    return { archive, plan, placed, note };
  } finally {
    if (archive) closeSync(archive.fd);
  }
}

function planOf(
  archive: LocatedArchive,
  options: StageOptions,
  report: BegunReport | undefined,
): FullPlan {
  const { manifest, roots, programs } = archive;
  const { abi, conditions, preserveSymlinks } = manifest;
  const { verbose } = options;
  return {
    ...archivePlan(archive, options),
    roots,
    programs,
    abi,
    conditions,
    preserveSymlinks,
    verbose,
    report,
  };
}

/** A child's entry: found as it stands, or left to Node.js to find. */
function entryOf(image: NativeImage, given: string | undefined): Entry | undefined {
  if (given === undefined) return undefined;
  const found = image.find(given, true);
  return found >= 0 && image.format(found) !== 0 ? { given, real: image.path(found) } : undefined;
}

/** @param isRank false in children and workers */
function install(
  image: NativeImage,
  attachment: Attachment,
  entry: Entry | undefined,
  options: StageOptions,
  isRank: boolean,
): void {
  if (attachment.codeCacheTag !== undefined)
    useCodeCache(attachment.directory, attachment.codeCacheTag);
  const { report, roots } = attachment;
  installLoader({
    image,
    attachment,
    entry,
    shadow: options.shadow,
    hooksThreadFile: `${packageDirectory()}/dist/hooks-thread.mjs`,
    keepReport:
      report &&
      ((lookup) => startReport(image, roots, report, isRank ? () => lookup.hits : undefined)),
    localPath: (file) => localPath(image, attachment, file),
    onBuiltins: (late) => {
      keepChildrenStaged(attachment, options.shadow, late);
    },
  });
}

/** Where a packed file stands as a real file on this node; written there if it is not ELF and so was not extracted. */
function localPath(image: NativeImage, attachment: Attachment, entry: number): string {
  const addon = loadAddon();
  const root = image.path(0);
  const path = image.path(entry);
  const relative = root === '/' ? path.slice(1) : path.slice(root.length + 1);
  const split = attachment.files.lastIndexOf('/');
  const imageFd = addon.openPrivateDirectory(attachment.files.slice(0, split), false);
  try {
    const filesFd = addon.openPrivateDirectoryAt(imageFd, 'files', false);
    try {
      addon.materialize(image, entry, filesFd);
    } finally {
      addon.close(filesFd);
    }
  } finally {
    addon.close(imageFd);
  }
  return `${attachment.files}/${relative}`;
}

/** The last process of the node to end removes the image, whatever the order in which ranks end. */
function removeWhenLast(placed: PlacedImage, options: StageOptions): void {
  if (options.keep) return;
  for (const held of [placed.image, placed.natives]) {
    if (held) loadAddon().removeAtExit(held.path, held.lockFd);
  }
}
