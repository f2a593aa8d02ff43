import { closeSync, openSync, readSync } from 'node:fs';
import { elfLibraries } from './elf.ts';

/** `glibc` or `musl`: whichever this Node.js is linked with. Empty where neither is known. */
export function libcName(): string {
  if (process.platform !== 'linux') return '';
  const fd = openSync(process.execPath, 'r');
  try {
    const { needed } = elfLibraries((offset, length) => {
      const bytes = Buffer.alloc(length);
      return bytes.subarray(0, readSync(fd, bytes, 0, length, offset));
    });
    return needed.some((name) => name.includes('musl')) ? 'musl' : 'glibc';
  } finally {
    closeSync(fd);
  }
}
