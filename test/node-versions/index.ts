import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/** A Node.js that tests can start. */
export interface NodeVersion {
  major: number;
  /** Absolute path of the executable. */
  path: string;
}

const current: NodeVersion = {
  major: Number.parseInt(process.versions.node),
  path: process.execPath,
};

function installed(major: number): NodeVersion {
  const url = new URL(`./node_modules/node${major}/bin/node`, import.meta.url);
  return { major, path: fileURLToPath(url) };
}

/**
 * The Node.js versions that are here: the current one first, then those installed beside this file,
 * by rising number, without the current one's major. Only the current one with
 * WALLA_TEST_NODES=current.
 */
export const nodeVersions: readonly NodeVersion[] = [
  current,
  ...(process.env['WALLA_TEST_NODES'] === 'current' ? [] : [22, 24, 26])
    .map(installed)
    .filter((node) => node.major !== current.major && existsSync(node.path)),
];
