/**
 * A conformance case: one text file that holds a small program tree and says how to run it.
 *
 *     What the case is about.
 *
 *     pack main.mjs other.cjs --include={root}/data/**
 *     run main.mjs
 *     run node>=22 TZ=UTC --enable-source-maps main.mjs
 *     leaves openat /main.mjs.map
 *
 *     -- main.mjs --
 *     console.log(1);
 *     -- node_modules/a -> ../packages/a --
 *
 * `packages a b` copies these packages, and what they depend on, from test/packages.
 *
 * A word with spaces stands in double quotes, as JSON. `{root}` stands for the tree's directory,
 * `{repo}` for walla's, `{stage}` for where walla is preloaded if not before everything else.
 */
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** One way to run a case's program. */
export interface Run {
  /** The line in the case file. */
  text: string;
  /** Majors of Node.js it is for: this one and later, but not `until`. */
  since: number;
  until: number;
  env: Record<string, string>;
  /** Flags of Node.js, the program, its arguments. */
  args: readonly string[];
  /** For the count of file operations: those that remain. */
  leaves: readonly string[];
}

export interface Case {
  name: string;
  entries: readonly string[];
  runs: readonly Run[];
  files: ReadonlyMap<string, string>;
  links: ReadonlyMap<string, string>;
  /** Names of packages to copy. */
  packages: readonly string[];
}

/** Where `npm ci` puts popular packages for the tests. */
const INSTALLED = fileURLToPath(new URL('../packages/node_modules', import.meta.url));

/** Why a case cannot be run here, or false. */
export function whyNot({ packages }: Case): string | false {
  const isMissing = packages.length > 0 && !existsSync(INSTALLED);
  return isMissing && 'test/packages is not installed';
}

/** All files are this old, so that nothing depends on when a test ran. */
const MODIFIED_SECONDS = 1_700_000_000.123;

export function readCase(file: URL): Case {
  const name = (/([^/]+)\.txt$/.exec(file.pathname)?.[1] ?? '').replaceAll('-', ' ');
  const [head = '', ...parts] = readFileSync(file, 'utf8').split(/^-- (.+) --\n/m);
  const files = new Map<string, string>();
  const links = new Map<string, string>();
  for (let part = 0; part < parts.length; part += 2) {
    const [path = '', target] = (parts[part] ?? '').split(' -> ');
    if (target === undefined) files.set(path, decodeContent(parts[part + 1] ?? ''));
    else links.set(path, target);
  }
  const lines = head.split('\n');
  const listed = (verb: string) =>
    lines
      .filter((line) => line.startsWith(`${verb} `))
      .flatMap((line) => words(line.slice(verb.length + 1)));
  return {
    name,
    entries: listed('pack'),
    packages: listed('packages'),
    runs: lines.flatMap((line, index) =>
      line.startsWith('run ') ? [readRun(line.slice(4), lines.slice(index + 1))] : [],
    ),
    files,
    links,
  };
}

/** A first line `base64` or `no newline at end` says how the rest is meant. */
function decodeContent(text: string): string {
  if (text.startsWith('base64\n')) return Buffer.from(text.slice(7), 'base64').toString('latin1');
  if (text.startsWith('no newline at end\n')) return text.slice(18).replace(/\n$/, '');
  return text;
}

/** @param after the lines that follow; those with `leaves` belong to this run */
function readRun(text: string, after: readonly string[]): Run {
  const env: Record<string, string> = {};
  let since = 0;
  let until = Infinity;
  const rest = words(text);
  for (; rest.length > 0; rest.shift()) {
    const word = rest[0] ?? '';
    const version = /^node(>=|<)(\d+)$/.exec(word);
    const variable = /^([A-Z]\w*)=(.*)$/s.exec(word);
    if (version) {
      const bound = Number(version[2]);
      if (version[1] === '<') until = bound;
      else since = bound;
    } else if (variable) env[variable[1] ?? ''] = variable[2] ?? '';
    else break;
  }
  const end = after.findIndex((line) => !line.startsWith('leaves '));
  const leaves = after.slice(0, end).map((line) => line.slice(7));
  return { text, since, until, env, args: rest, leaves };
}

function words(text: string): string[] {
  return [...text.matchAll(/"(?:[^"\\]|\\.)*"|\S+/g)].map(([word]) =>
    word.startsWith('"') ? (JSON.parse(word) as string) : word,
  );
}

/** Packages and those they need, however far; npm has laid them out flat. */
function withDependencies(names: readonly string[]): Set<string> {
  const all = new Set(names);
  for (const name of all) {
    const manifest = JSON.parse(readFileSync(join(INSTALLED, name, 'package.json'), 'utf8')) as {
      dependencies?: Record<string, string>;
    };
    for (const dependency of Object.keys(manifest.dependencies ?? {}))
      if (existsSync(join(INSTALLED, dependency))) all.add(dependency);
  }
  return all;
}

/** A case's tree on disk. */
export class CaseTree {
  readonly root = realpathSync(mkdtempSync(join(tmpdir(), 'walla-case-')));

  constructor({ files, links, packages }: Case) {
    for (const name of withDependencies(packages)) {
      const path = join('node_modules', name);
      cpSync(join(INSTALLED, name), join(this.root, path), {
        recursive: true,
        preserveTimestamps: true,
      });
    }
    for (const [path, content] of files) {
      const file = join(this.root, path);
      mkdirSync(dirname(file), { recursive: true });
      // Base64 content is bytes; what is text has no character outside of ASCII or is UTF-8 in the case file.
      writeFileSync(file, content, /\.(wasm|bin)$/.test(path) ? 'latin1' : 'utf8');
      utimesSync(file, MODIFIED_SECONDS, MODIFIED_SECONDS);
    }
    for (const [path, target] of links) {
      const link = join(this.root, path);
      mkdirSync(dirname(link), { recursive: true });
      symlinkSync(target, link);
    }
  }

  remove(): void {
    rmSync(this.root, { recursive: true, force: true });
  }
}
