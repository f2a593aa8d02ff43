/** The documentation as data: its pages, the commands on them, their headings and links. */
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { packageRoot } from '../run-node.ts';

/** A command that a page tells its reader to type. */
export interface Command {
  /** Path of the page below the repository. */
  page: string;
  line: number;
  /** One command: with continued lines and here-documents, without comments. */
  text: string;
}

export interface Link {
  page: string;
  line: number;
  target: string;
}

function markdownIn(folder: string): string[] {
  return readdirSync(join(packageRoot, folder), { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) return entry.name === 'node_modules' ? [] : markdownIn(path);
    return entry.name.endsWith('.md') ? [path] : [];
  });
}

/** Every page, by its path below the repository. */
export const PAGES: readonly string[] = [
  'README.md',
  'CONTRIBUTING.md',
  ...markdownIn('docs'),
  ...markdownIn('examples'),
];

export function linesOf(page: string): string[] {
  return readFileSync(join(packageRoot, page), 'utf8').split('\n');
}

/** All commands of a page's shell blocks, in order. */
export function commandsOf(page: string): Command[] {
  const commands: Command[] = [];
  const lines = linesOf(page);
  for (let at = 0; at < lines.length; at++) {
    const language = /^\s*```(sh|bash|shell|console)\b/.exec(lines[at] ?? '')?.[1];
    if (language === undefined) continue;
    const begin = at + 1;
    while (!/^\s*```/.test(lines[++at] ?? '```'));
    commands.push(...split(page, lines.slice(begin, at), begin + 1, language === 'console'));
  }
  return commands;
}

/** @param session whether commands stand behind a prompt, and what they print follows */
function split(page: string, lines: string[], firstLine: number, session: boolean): Command[] {
  const commands: Command[] = [];
  for (let at = 0; at < lines.length; at++) {
    const line = firstLine + at;
    let text = lines[at] ?? '';
    if (session) {
      if (!text.startsWith('$ ')) continue;
      text = text.slice(2);
    }
    if (text.trim() === '' || text.trimStart().startsWith('#')) continue;
    while (text.endsWith('\\')) text += `\n${lines[++at] ?? ''}`;
    const end = /<<-?'?(\w+)'?/.exec(text)?.[1];
    while (end !== undefined && text.split('\n').at(-1) !== end) {
      if (at + 1 >= lines.length) throw new Error(`${page}:${line}: no ${end} ends this`);
      text += `\n${lines[++at] ?? ''}`;
    }
    commands.push({ page, line, text });
  }
  return commands;
}

/** Text outside of code. */
function prose(page: string): string[] {
  let inBlock = false;
  return linesOf(page).map((line) => {
    if (/^\s*```/.test(line)) inBlock = !inBlock;
    return inBlock ? '' : line;
  });
}

/** Links of a page to files, and to places within them; not those to other hosts. */
export function linksOf(page: string): Link[] {
  return prose(page).flatMap((text, index) =>
    [...text.replace(/`[^`]*`/g, '').matchAll(/\]\(([^)\s]+)\)/g)]
      .map(([, target]) => ({ page, line: index + 1, target: target ?? '' }))
      .filter(({ target }) => !/^[a-z]+:/.test(target)),
  );
}

/** The anchors of a page's headings, as GitHub makes them. */
function anchorsOf(page: string): Set<string> {
  const anchors = new Set<string>();
  for (const text of prose(page)) {
    const heading = /^#{1,6} (.*)$/.exec(text)?.[1];
    if (heading === undefined) continue;
    const plain = heading.replace(/\[([^\]]*)\]\([^)]*\)/g, '$1').toLowerCase();
    const slug = plain.replace(/[^\p{L}\p{N}\s_-]/gu, '').replace(/\s/g, '-');
    let anchor = slug;
    for (let again = 1; anchors.has(anchor); again++) anchor = `${slug}-${again}`;
    anchors.add(anchor);
  }
  return anchors;
}

/** What is wrong with a link; undefined: nothing. */
export function brokenLink({ page, target }: Link): string | undefined {
  const [path = '', anchor] = target.split('#');
  const file =
    path === '' ? join(packageRoot, page) : resolve(packageRoot, dirname(page), decodeURI(path));
  if (relative(packageRoot, file).startsWith('..')) return 'leads out of the repository';
  if (!existsSync(file)) return 'leads to no file';
  if (anchor === undefined) return undefined;
  const isPage = !statSync(file).isDirectory() && file.endsWith('.md');
  if (!isPage) return 'has an anchor that is in no page';
  return anchorsOf(relative(packageRoot, file)).has(anchor)
    ? undefined
    : `no heading of ${relative(packageRoot, file)} is #${anchor}`;
}
