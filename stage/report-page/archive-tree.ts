/** The folders of an archive by size, as far as a picture can show them. */

export interface ArchiveTree {
  name: string;
  bytes: number;
  /** Files in it; 1 for a file. */
  files: number;
  /** The largest first; absent in files, and in folders that are not opened up. */
  children?: ArchiveTree[];
}

export interface SizedFile {
  /** Relative to the root. */
  path: string;
  size: number;
}

/** Nodes of the picture. */
const MOST_NODES = 2500;
/** Of one folder. */
const MOST_CHILDREN = 60;

interface Folder {
  name: string;
  bytes: number;
  files: number;
  children: Map<string, Folder> | undefined;
}

/**
 * Opens the largest folders first until there are enough; in each folder the smallest entries are taken together.
 */
export function archiveTree(name: string, files: readonly SizedFile[]): ArchiveTree {
  const whole = folderOf(name, files);
  const root: ArchiveTree = plain(whole);
  const closed: { node: ArchiveTree; folder: Folder }[] = [{ node: root, folder: whole }];
  let nodes = 1;
  for (;;) {
    const next = takeLargest(closed);
    if (!next) return root;
    const { node, folder } = next;
    const sorted = [...(folder.children ?? new Map<string, Folder>()).values()].sort(
      (a, b) => b.bytes - a.bytes || (a.name < b.name ? -1 : 1),
    );
    const shown = sorted.slice(0, MOST_CHILDREN);
    if (nodes + shown.length + 1 > MOST_NODES) return root;
    nodes += shown.length + 1;
    node.children = shown.map((child) => {
      const made = plain(child);
      if (child.children) closed.push({ node: made, folder: child });
      return made;
    });
    const rest = sorted.slice(MOST_CHILDREN);
    if (rest.length > 0)
      node.children.push({
        name: `${rest.length} smaller`,
        bytes: rest.reduce((sum, { bytes }) => sum + bytes, 0),
        files: rest.reduce((sum, { files }) => sum + files, 0),
      });
  }
}

function takeLargest<T extends { folder: Folder }>(closed: T[]): T | undefined {
  let largest = 0;
  closed.forEach(({ folder }, index) => {
    if (folder.bytes > (closed[largest]?.folder.bytes ?? 0)) largest = index;
  });
  return closed.splice(largest, 1)[0];
}

function folderOf(name: string, files: readonly SizedFile[]): Folder {
  const root: Folder = { name, bytes: 0, files: 0, children: new Map() };
  for (const { path, size } of files) {
    let folder = root;
    const parts = path.split('/');
    parts.forEach((part, index) => {
      folder.bytes += size;
      folder.files++;
      folder.children ??= new Map();
      let child = folder.children.get(part);
      if (!child) {
        child = { name: part, bytes: 0, files: 0, children: undefined };
        folder.children.set(part, child);
      }
      if (index === parts.length - 1) {
        child.bytes += size;
        child.files++;
      }
      folder = child;
    });
  }
  return root;
}

function plain({ name, bytes, files }: Folder): ArchiveTree {
  return { name, bytes, files };
}
