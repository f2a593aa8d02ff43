/** What Node.js was told on its command line that changes how names resolve. */
export interface ResolutionFlags {
  conditions: string[];
  preserveSymlinks: boolean;
}

/** Reads `--conditions`/`-C` and `--preserve-symlinks` from execArgv and NODE_OPTIONS. */
export function resolutionFlags(
  execArgv = process.execArgv,
  nodeOptions = process.env['NODE_OPTIONS'] ?? '',
): ResolutionFlags {
  const words = [
    ...nodeOptions.split(/\s+/).map((word) => word.replace(/^"|"$/g, '')),
    ...execArgv,
  ];
  const conditions: string[] = [];
  let preserveSymlinks = false;
  words.forEach((word, i) => {
    const [name, value] = splitOption(word);
    if (name === '--conditions' || name === '-C') {
      const condition = value ?? words[i + 1];
      if (condition !== undefined) conditions.push(condition);
    }
    if (name === '--preserve-symlinks') preserveSymlinks = true;
  });
  return { conditions: sorted(conditions), preserveSymlinks };
}

export function sorted(conditions: string[]): string[] {
  return [...new Set(conditions)].sort();
}

function splitOption(word: string): [name: string, value: string | undefined] {
  const equals = word.indexOf('=');
  return equals === -1 ? [word, undefined] : [word.slice(0, equals), word.slice(equals + 1)];
}
