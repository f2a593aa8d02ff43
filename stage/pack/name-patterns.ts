import { readdirSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';

/** More matches than this say that the pattern says nothing. */
const LIMIT = 1000;

/**
 * Names that a computed specifier can stand for, judging by what is there: `./locale/*.js` for
 * "import(`./locale/${language}.js`)", `@img/sharp-*\/lib` for packages of one platform each.
 * @param pattern a specifier in which `*` stands for a computed part without slashes
 * @param directory of the importing file
 */
export function expandPattern(pattern: string, directory: string): string[] {
  const segments = pattern.split('/');
  if (pattern.startsWith('./') || pattern.startsWith('../')) {
    const found = expandPath(segments, '', (path) => resolve(directory, path));
    return found.slice(0, LIMIT);
  }
  const nameLength = pattern.startsWith('@') ? 2 : 1;
  const rest = segments.slice(nameLength);
  // `${name}` or `${name}/file` could be any package; patterns in subpaths are not files.
  if (/^[*/.#]/.test(pattern) || rest.some((segment) => segment.includes('*'))) return [];
  const found = new Set<string>();
  for (let at = directory; ; at = dirname(at)) {
    for (const name of expandPath(segments.slice(0, nameLength), '', (path) =>
      join(at, 'node_modules', path),
    )) {
      found.add([name, ...rest].join('/'));
    }
    if (at === dirname(at)) break;
  }
  return [...found].slice(0, LIMIT);
}

function expandPath(
  segments: string[],
  prefix: string,
  locate: (path: string) => string,
): string[] {
  const [segment, ...rest] = segments;
  if (segment === undefined) return [prefix];
  const under = prefix === '' ? '' : `${prefix}/`;
  if (!segment.includes('*')) return expandPath(rest, under + segment, locate);
  const expression = new RegExp(`^${segment.split('*').map(escape).join('.*')}$`, 's');
  return namesIn(locate(prefix))
    .filter((name) => !name.startsWith('.') && expression.test(name))
    .flatMap((name) => expandPath(rest, under + name, locate));
}

function namesIn(directory: string): string[] {
  try {
    return readdirSync(directory).sort();
  } catch {
    // Not there, or not a directory: it holds no names.
    return [];
  }
}

function escape(text: string): string {
  return text.replace(/[\\^$.|?*+()[\]{}]/g, '\\$&');
}
