import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { unzipSync } from 'fflate';
import { WallaError } from '../../errors.ts';
import { isSafePath } from '../entry-path.ts';

/** What a package may expand to: far above any. */
const MOST_BYTES = 1024 ** 3;

/**
 * Unpacks a zip file of Yarn's cache. Modes are not kept: all files are readable, none executable.
 * @param directory made if it is not there
 * @throws WallaError ERR_WALLA_UNREADABLE
 */
export function unzip(file: string, directory: string): void {
  let files: Record<string, Uint8Array>;
  try {
    let bytes = 0;
    files = unzipSync(readFileSync(file), {
      filter: ({ originalSize }) => (bytes += originalSize) <= MOST_BYTES,
    });
    if (bytes > MOST_BYTES) throw new Error(`it expands to more than ${MOST_BYTES} bytes`);
  } catch (error) {
    throw damaged(file, (error as Error).message, error);
  }
  mkdirSync(directory, { recursive: true });
  for (const [name, content] of Object.entries(files)) {
    if (name.endsWith('/')) continue;
    if (!isSafePath(name)) throw damaged(file, `it has the path ${JSON.stringify(name)}`);
    const path = join(directory, name);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, content, { mode: 0o644 });
  }
}

function damaged(file: string, why: string, cause?: unknown): WallaError {
  return new WallaError('ERR_WALLA_UNREADABLE', `cannot unpack ${file}: ${why}`, {
    cause,
    hint: 'have Yarn fetch it again: yarn install --check-cache',
  });
}
