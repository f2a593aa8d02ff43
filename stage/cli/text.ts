export { formatName } from '../format-name.ts';

/** Permissions and type as `ls -l` writes them. */
export function formatMode(mode: number): string {
  const type = { 0o040000: 'd', 0o120000: 'l' }[mode & 0o170000] ?? '-';
  const bits = 'rwxrwxrwx'.split('').map((bit, i) => (mode & (0o400 >> i) ? bit : '-'));
  return type + bits.join('');
}

/** `1 file`, `2 files`. */
export function count(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? '' : 's'}`;
}
