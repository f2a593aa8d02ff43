/** The longest path and name Linux takes, and the depth native/src/entry_path.cpp stops at. */
const PATH_BYTES = 4096;
const NAME_BYTES = 255;
const MOST_COMPONENTS = 256;

/** Whether a path stays below its root: the rules of native/src/entry_path.cpp. */
export function isSafePath(path: string): boolean {
  if (Buffer.byteLength(path) >= PATH_BYTES || path.includes('\0')) return false;
  const names = path.split('/');
  return (
    names.length <= MOST_COMPONENTS &&
    names.every(
      (name) =>
        name !== '' && name !== '.' && name !== '..' && Buffer.byteLength(name) <= NAME_BYTES,
    )
  );
}
