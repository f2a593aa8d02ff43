/**
 * V8's code of walla's own preload, which an archive brought onto this node with that of the program's modules
 * (code-cache.ts). It is looked for before anything of walla is loaded: so without the native core, and only where images
 * usually are.
 */
import {
  closeSync,
  constants,
  existsSync,
  fstatSync,
  openSync,
  readdirSync,
  readFileSync,
} from 'node:fs';
import { CODE_CACHE_DIRECTORY, IMAGE_NAME, userDirectory } from './staging-names.ts';

/**
 * Reads the code of a text. V8 itself refuses what another version or other flags have made.
 * @param name of the text, by its content
 * @returns undefined where no image of this user has it
 */
export function keptCode(name: string): Buffer | undefined {
  const { env, version, arch } = process;
  const path = userDirectory(env['WALLA_DIR'] ?? '/dev/shm');
  if (env['NODE_DISABLE_COMPILE_CACHE'] !== undefined) return undefined;
  let fd = -1;
  try {
    if (!existsSync(path)) return undefined; // usual, and an error takes longer
    fd = openSync(path, constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW);
    const { uid, mode } = fstatSync(fd);
    // What is in a directory that nobody else can enter is as good as what walla puts there.
    if (uid !== process.geteuid?.() || (mode & 0o077) !== 0) return undefined;
    // Not by its path, where another could stand by now.
    const own = `/proc/self/fd/${fd}`;
    for (const image of readdirSync(own).filter((entry) => IMAGE_NAME.test(entry))) {
      const caches = `${own}/${image}/${CODE_CACHE_DIRECTORY}`;
      if (!existsSync(caches)) continue;
      const made = readdirSync(caches).find((entry) => entry.startsWith(`${version}-${arch}-`));
      const file = `${caches}/${made}/${name}`;
      if (existsSync(file)) return readFileSync(file);
    }
  } catch {
    // Compiling takes a few milliseconds longer, and is all that is lost.
  } finally {
    if (fd >= 0) closeSync(fd);
  }
  return undefined;
}
