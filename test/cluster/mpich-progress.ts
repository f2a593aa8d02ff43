import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const source = fileURLToPath(new URL('mpich-progress.c', import.meta.url));
const cache = fileURLToPath(new URL('../../.cache/test/', import.meta.url));

/**
 * The library of mpich-progress.c, without which jobs of MPICH over TCP end only now and then. It is built
 * when it is first needed.
 * @throws Error without a C compiler
 */
export function mpichProgress(): string {
  const hash = createHash('sha256').update(readFileSync(source)).digest('hex').slice(0, 16);
  const library = path.join(cache, `mpich-progress-${hash}.so`);
  if (existsSync(library)) return library;
  mkdirSync(cache, { recursive: true });
  const aside = `${library}.${process.pid}`;
  const { status, stderr, error } = spawnSync(
    'gcc',
    ['-shared', '-fPIC', '-O1', '-o', aside, source, '-ldl'],
    { encoding: 'utf8' },
  );
  if (status !== 0) throw new Error(`gcc: ${error?.message ?? stderr}`);
  renameSync(aside, library);
  return library;
}
