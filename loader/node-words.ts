/** What Node.js was told, word by word: NODE_OPTIONS, then the command line. */

/** The words of both, in the order in which Node.js takes them. */
export function nodeWords(
  execArgv: readonly string[] = process.execArgv,
  nodeOptions = process.env['NODE_OPTIONS'] ?? '',
): string[] {
  return [...wordsOf(nodeOptions), ...execArgv];
}

/** What a flag was given each time, as `FLAG=VALUE` or as `FLAG VALUE`. */
export function valuesOf(words: readonly string[], ...flags: readonly string[]): string[] {
  return words.flatMap((word, index) => {
    const flag = flags.find((name) => word === name || word.startsWith(`${name}=`));
    if (flag === undefined) return [];
    return [word === flag ? (words[index + 1] ?? '') : word.slice(flag.length + 1)];
  });
}

/**
 * As Node.js takes NODE_OPTIONS apart: at spaces and nothing else, double quotes hold words together
 * wherever in a word they stand, and within them a backslash keeps what comes next.
 */
function wordsOf(nodeOptions: string): string[] {
  const quoted = /"((?:[^"\\]|\\.)*)"?/gs;
  const words = nodeOptions.match(/(?:[^ "]|"(?:[^"\\]|\\.)*"?)+/gs) ?? [];
  return words.map((word) =>
    word.replace(quoted, (_, text: string) => text.replace(/\\(.)/gs, '$1')),
  );
}
