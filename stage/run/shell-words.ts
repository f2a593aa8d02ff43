import { WallaError } from '../errors.ts';

/**
 * Splits a command line into words as a shell does, with quotes and backslashes, and nothing else of a shell.
 * @throws WallaError ERR_WALLA_USAGE for a quote that is not closed
 */
export function shellWords(text: string): string[] {
  const words: string[] = [];
  let word: string | undefined;
  const part = /\s+|'([^']*)'|"((?:[^"\\]|\\.)*)"|\\(.)|([^\s'"\\]+)|(['"\\])/gsy;
  for (const [whole, single, double, escaped, plain, open] of text.matchAll(part)) {
    if (open !== undefined)
      throw new WallaError('ERR_WALLA_USAGE', `${open} is not closed in: ${text}`);
    const piece = single ?? double?.replace(/\\(["\\$`])/g, '$1') ?? escaped ?? plain;
    if (piece !== undefined) word = (word ?? '') + piece;
    else if (whole !== '' && word !== undefined) {
      words.push(word);
      word = undefined;
    }
  }
  return word === undefined ? words : [...words, word];
}
