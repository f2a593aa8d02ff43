/**
 * Processes that start together on a node without MPI find and check the archive once: the first to have the node's
 * lock leaves a note in the image's directory, and those that waited believe it if the check began after they had
 * started. So a note is never older than a check of their own would be.
 */
import { closeSync, readFileSync } from 'node:fs';
import { loadAddon } from '../native/load-addon.ts';
import { bootId, clockNs } from './node-clock.ts';
import type { StageOptions } from './options.ts';
import { baseCandidates, chooseBase } from './staging-base.ts';
import { type HeldImage, StagingDirectory } from './staging-directory.ts';
import { IMAGE_NAME } from './staging-names.ts';
import { processMs } from './process-clock.ts';

const NAME = 'located';

interface Note {
  /** Digest of the question that the archive answers. */
  question: string;
  /** The clock below starts again with the machine, and a staging directory on disk outlives that. */
  boot: string;
  /** When the check began, on the clock that all processes of a node share. */
  atNs: string;
}

/**
 * A note that an image is the archive for a program.
 * @param atNs when its check began
 * @returns leaves the note; to be called with the node's lock, and when the check has found no difference
 */
export function noteLocated(
  image: HeldImage,
  entries: readonly string[],
  options: StageOptions,
  atNs: bigint,
): () => void {
  const addon = loadAddon();
  const content = noteOf(entries, options, atNs);
  return () => {
    try {
      addon.removeTreeAt(image.directoryFd, NAME);
      if (content) addon.writePrivateFilesAt(image.directoryFd, [NAME], [content]);
    } catch {
      // Without a note, or with half of one, the others check for themselves.
    }
  };
}

/** @returns undefined where the system does not say when it has started */
function noteOf(
  entries: readonly string[],
  options: StageOptions,
  atNs: bigint,
): Buffer | undefined {
  const asked = question(entries, options);
  try {
    const note: Note = { question: asked, boot: bootId(), atNs: String(atNs) };
    return Buffer.from(JSON.stringify(note));
  } catch {
    return undefined;
  }
}

/**
 * Finds the image that another process has checked since this one started. To be called with the node's lock.
 * @returns a descriptor of the image, or undefined
 */
export function findLocated(entries: readonly string[], options: StageOptions): number | undefined {
  const addon = loadAddon();
  const startNs = clockNs() - BigInt(Math.ceil(processMs() * 1e6));
  const asked = question(entries, options);
  const base = chooseBase(baseCandidates(process.env, options.directory));
  const userFd = addon.openPrivateDirectory(new StagingDirectory(base).path, true);
  try {
    for (const name of addon.listDirectory(userFd).filter((name) => IMAGE_NAME.test(name))) {
      const directoryFd = addon.openPrivateDirectoryAt(userFd, name, false);
      try {
        const note = read(directoryFd);
        if (note?.question !== asked || note.boot !== bootId() || BigInt(note.atNs) < startNs)
          continue;
        const imageFd = addon.openPrivateFileAt(directoryFd, 'image', 'read');
        if (imageFd >= 0) return imageFd;
      } finally {
        closeSync(directoryFd);
      }
    }
    return undefined;
  } catch {
    return undefined; // whatever is wrong there, a check of one's own finds it
  } finally {
    closeSync(userFd);
  }
}

function read(directoryFd: number): Note | undefined {
  const fd = loadAddon().openPrivateFileAt(directoryFd, NAME, 'read');
  if (fd < 0) return undefined;
  try {
    return JSON.parse(readFileSync(fd, 'utf8')) as Note;
  } finally {
    closeSync(fd);
  }
}

/** A URL may hold a password: only a digest is written. */
function question(entries: readonly string[], { archive, stale }: StageOptions): string {
  const text = JSON.stringify([archive ?? null, workingDirectory(), stale, entries]);
  return loadAddon().sha256(Buffer.from(text));
}

/** A program can run in a directory that has been removed. */
function workingDirectory(): string | null {
  try {
    return process.cwd();
  } catch {
    return null;
  }
}
