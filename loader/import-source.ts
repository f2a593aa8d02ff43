/** What Node.js has of a file when it imports it: bytes of WebAssembly, and text as TextDecoder gives it. */
import type { NativeImage } from '../native/addon.ts';

const BYTE_ORDER_MARK = 0xfeff;

export function importSource(
  image: NativeImage,
  entry: number,
  format: string | undefined,
): string | Buffer {
  if (format === 'wasm') return image.bytes(entry);
  return withoutMark(image.text(entry));
}

/** Without a byte-order mark. */
export function withoutMark(text: string): string {
  return text.charCodeAt(0) === BYTE_ORDER_MARK ? text.slice(1) : text;
}

/**
 * The same for a hook on another thread.
 * @returns a string or a fresh copy: a view's whole buffer would be transferred
 */
export function offThreadSource(
  image: NativeImage,
  entry: number,
  format: string | undefined,
): string | Uint8Array {
  // Node.js 20 has its CommonJS loader read such a module, which keeps the mark.
  if (format === 'commonjs') return image.text(entry);
  const source = importSource(image, entry, format);
  return typeof source === 'string' ? source : new Uint8Array(source);
}
