/** Names in the staging directory that are needed before there is a native core, too (staging-directory.ts). */

/** Of an image's directory: its identity. */
export const IMAGE_NAME = /^[0-9a-f]{64}$/;

/** Of the code caches, in an image's directory. Node.js makes and looks for a directory per version in it. */
export const CODE_CACHE_DIRECTORY = 'code-cache';

/** The user's own directory. @param base node-local directory */
export function userDirectory(base: string): string {
  return `${base.replace(/\/+$/, '')}/walla-${process.geteuid?.() ?? 0}`;
}
