/** Colours on a terminal; none with NO_COLOR, TERM=dumb, or where the output is a file or a pipe. */
import type { WriteStream } from 'node:tty';
import type { WallaError } from '../errors.ts';

const STYLES = { red: [31, 39], green: [32, 39], yellow: [33, 39], bold: [1, 22] } as const;
export type Style = keyof typeof STYLES;

/** @param stream where the text goes */
export function paint(stream: Partial<WriteStream>, style: Style, text: string): string {
  if (stream.isTTY !== true || stream.hasColors?.() !== true) return text;
  const [on, off] = STYLES[style];
  return `\x1b[${on}m${text}\x1b[${off}m`;
}

/** An error as the command line shows it. */
export function paintReport(error: WallaError): string {
  return error.report().replace(error.code, paint(process.stderr, 'red', error.code));
}
