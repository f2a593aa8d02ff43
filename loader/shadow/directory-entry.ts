/** What `readdir` and `opendir` give for a name whose type is known. */
import fs from 'node:fs';

// The system's numbers, <dirent.h>.
export const DT_UNKNOWN = 0;
export const DT_DIRECTORY = 4;
export const DT_LINK = 10;

let uvTypes: Record<number, number> | undefined;

/** The type's number in `fs.constants`; undefined if the file system did not tell the type. */
export function uvType(type: number): number | undefined {
  if (!uvTypes) {
    const uv = fs.constants as unknown as Record<string, number>;
    const numbers = {
      1: uv['UV_DIRENT_FIFO'],
      2: uv['UV_DIRENT_CHAR'],
      [DT_DIRECTORY]: uv['UV_DIRENT_DIR'],
      6: uv['UV_DIRENT_BLOCK'],
      8: uv['UV_DIRENT_FILE'],
      [DT_LINK]: uv['UV_DIRENT_LINK'],
      12: uv['UV_DIRENT_SOCKET'],
    };
    uvTypes = numbers as Record<number, number>;
  }
  return uvTypes[type];
}

/** @param type the system's number */
export function dirent(
  name: string | Buffer,
  type: number | undefined,
  parent: unknown,
): fs.Dirent {
  // Its constructor is not in the documentation, but `fs.Dirent` is public and the same in all versions.
  const Dirent = fs.Dirent as unknown as new (
    name: string | Buffer,
    type: number,
    parentPath: unknown,
  ) => fs.Dirent;
  return new Dirent(name, uvType(type ?? DT_UNKNOWN) ?? 0, parent);
}
