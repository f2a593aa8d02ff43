/** Decides which files `--include` and `--exclude` name. */
export class Patterns {
  readonly #tests: ((path: string) => boolean)[];

  /**
   * @param patterns globs relative to `directory`, absolute globs, or names of packages
   * @param directory absolute
   */
  constructor(patterns: string[], directory: string) {
    this.#tests = patterns.map((pattern) => {
      if (isPackageName(pattern)) {
        const inside = `/node_modules/${pattern}/`;
        const glob = globTest(pattern, directory);
        return (path) => path.includes(inside) || glob(path);
      }
      return globTest(pattern, directory);
    });
  }

  /** @param path absolute */
  match(path: string): boolean {
    return this.#tests.some((test) => test(path));
  }
}

/** `name` or `@scope/name`, without glob characters or a path. */
export function isPackageName(pattern: string): boolean {
  return /^(?:@[\w.~-]+\/)?[\w~-][\w.~-]*$/.test(pattern);
}

/** The directory part of a glob in front of its first wildcard. */
export function globBase(pattern: string): string {
  const wildcard = pattern.search(/[*?[{]/);
  if (wildcard === -1) return pattern;
  return pattern.slice(0, pattern.lastIndexOf('/', wildcard));
}

function globTest(pattern: string, directory: string): (path: string) => boolean {
  const absolute = absoluteGlob(pattern, directory);
  const expression = globExpression(absolute);
  return (path) => expression.test(path);
}

/** Makes a glob absolute without touching its wildcards. */
export function absoluteGlob(pattern: string, directory: string): string {
  const parts = (pattern.startsWith('/') ? pattern : `${directory}/${pattern}`).split('/');
  const kept: string[] = [];
  for (const part of parts) {
    if (part === '..') kept.pop();
    else if (part !== '' && part !== '.') kept.push(part);
  }
  return `/${kept.join('/')}`;
}

/**
 * `*` and `?` stay within a name, `**` crosses directories, `{a,b}` and `[a-z]` as in a shell.
 * A pattern that names a directory also matches what is below it.
 */
function globExpression(glob: string): RegExp {
  let out = '';
  let depth = 0;
  for (let i = 0; i < glob.length; i++) {
    const c = glob[i] ?? '';
    if (glob.startsWith('**/', i)) {
      out += '(?:[^/]+/)*';
      i += 2;
    } else if (glob.startsWith('**', i)) {
      out += '.*';
      i += 1;
    } else if (c === '*') out += '[^/]*';
    else if (c === '?') out += '[^/]';
    else if (c === '{') {
      out += '(?:';
      depth += 1;
    } else if (c === '}' && depth > 0) {
      out += ')';
      depth -= 1;
    } else if (c === ',' && depth > 0) out += '|';
    else if (c === '[' && glob.includes(']', i + 2)) {
      const end = glob.indexOf(']', i + 2);
      out += `[${glob
        .slice(i + 1, end)
        .replace(/^!/, '^')
        .replaceAll('\\', '\\\\')}]`;
      i = end;
    } else out += c.replace(/[\\^$.|+()[\]{}]/g, '\\$&');
  }
  return new RegExp(`^${out}(?:/.*)?$`, 's');
}
