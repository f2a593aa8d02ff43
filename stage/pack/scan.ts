import { init, parse, type Import } from 'es-module-lexer';

/** What a module's source refers to. */
export interface Scan {
  /** Specifiers of imports, static and dynamic, and of import.meta.resolve. */
  imports: string[];
  /** Specifiers of require, require.resolve and functions made by createRequire. */
  requires: string[];
  /** Computed specifiers, `*` in place of what is computed. */
  patterns: { kind: 'import' | 'require'; pattern: string }[];
  /** Relative references of `new URL(…, import.meta.url)`, and of WebAssembly by its name alone. */
  urls: string[];
  /** Ways in which it loads names that its own text does not tell. */
  computed: ('import' | 'require')[];
  /** It has import or export statements, or import.meta. */
  moduleSyntax: boolean;
  /** It may refer to files in ways only a closer look finds. */
  suspicious: boolean;
}

/** Call and await before `scanSource`. */
export const scannerReady = init;

/**
 * Words without which a module cannot name a file other than by import or require with a literal.
 * Kept narrow: the closer look costs milliseconds per file.
 */
const ASSET_WORDS =
  /__dirname|__filename|\bimport\.meta\.(?:url|dirname|filename)|\.node['"`]|['"`](?:bindings|node-gyp-build|@aminya\/node-gyp-build|@mapbox\/node-pre-gyp|node-pre-gyp|pkg-prebuilds|nbind|pkginfo|pino|thread-stream)['"`]|\breadFileSync\b|\bcreateReadStream\b|\.readFile\b/;

/** Files that @vercel/nft knows to read others in ways that cannot be seen in their code. */
const SPECIAL_FILES =
  /\/node_modules\/(?:@generated\/photon\/index\.js|@serialport\/bindings-cpp\/dist\/index\.js|argon2\/argon2\.js|bull\/lib\/commands\/index\.js|camaro\/dist\/camaro\.js|esbuild\/lib\/main\.js|ffmpeg-static\/index\.js|geo-tz\/dist\/geo-tz\.js|geoip-lite\/lib\/geoip\.js|google-gax\/build\/src\/grpc\.js|oracledb\/lib\/oracledb\.js|phantomjs-prebuilt\/lib\/phantomjs\.js|pixelmatch\/index\.js|playwright-core\/index\.js|remark-prism\/src\/highlight\.js|semver\/index\.js|sharp\/lib\/index\.js|shiki\/dist\/index\.js|socket\.io\/lib\/index\.js|typescript\/lib\/tsc\.js|uglify-es\/tools\/node\.js|uglify-js\/tools\/node\.js)$/;

/** Packages that find the caller's native addon, in a package of its own for each platform. */
const LOADERS_OF_NATIVES = /^node-gyp-build(?:-optional-packages)?$/;

const REQUIRE_NAMES = ['require', '__require\\d*', '__non_webpack_require__'];

/**
 * Finds the references of a module. Errs towards finding too much, but never looks into comments,
 * strings or regular expressions.
 * @param path only to recognize packages that need a closer look
 */
export function scanSource(path: string, source: string): Scan {
  const marked = markRequires(source);
  const scan: Scan = {
    imports: [],
    requires: [],
    patterns: [],
    urls: wasmFiles(source),
    computed: [],
    moduleSyntax: false,
    suspicious: ASSET_WORDS.test(source) || SPECIAL_FILES.test(path),
  };
  try {
    const [imports, , , moduleSyntax] = parse(marked.source);
    scan.moduleSyntax = moduleSyntax;
    for (const found of imports) addImport(scan, found, marked);
  } catch {
    guess(scan, source);
  }
  if (
    scan.requires.some((name) => LOADERS_OF_NATIVES.test(name)) &&
    !scan.computed.includes('require')
  )
    scan.computed.push('require');
  return scan;
}

interface Marked {
  source: string;
  /** Offsets in `source` of the calls that are really `require`. */
  requires: Set<number>;
}

/**
 * Writes `import(` in place of `require(`, so that a lexer that knows comments, strings, templates
 * and regular expressions but only import() finds both.
 */
function markRequires(source: string): Marked {
  const requires = new Set<number>();
  if (!source.includes('equire')) return { source, requires };
  const makers = requireMakers(source);
  const others = [...createdRequires(source, makers), ...aliasedRequires(source)];
  const names = [...REQUIRE_NAMES, ...others].join('|');
  const calls = new RegExp(
    `(?<![\\w$])(?:(?:${names})(?:\\s*\\.\\s*resolve)?|(?:${makers})\\(\\s*(?:import\\.meta\\.url|__filename)\\s*\\))\\s*\\(`,
    'g',
  );
  let marked = '';
  let done = 0;
  for (const { 0: call, index } of source.matchAll(calls)) {
    if (!isCall(source, index)) continue;
    // The comma keeps the lexer from taking a spread's dots for a member access.
    marked += `${source.slice(done, index)} 0,`;
    requires.add(marked.length);
    marked += 'import(';
    done = index + call.length;
  }
  return { source: marked + source.slice(done), requires };
}

/** Pattern of createRequire's names: as it is, numbered by a bundler, or imported as another. */
function requireMakers(source: string): string {
  const aliases = source.matchAll(/\bcreateRequire\s+as\s+([\w$]+)/g);
  const names = [...aliases].map(([, name = '']) => escapeDollars(name));
  return ['createRequire[\\w$]*', ...new Set(names)].join('|');
}

/** Names given to the results of createRequire: `const load = createRequire(import.meta.url)`. */
function createdRequires(source: string, makers: string): string[] {
  if (!source.includes('createRequire')) return [];
  const results = new RegExp(
    `([A-Za-z_$][\\w$]*)\\s*=\\s*(?:[\\w$]+\\s*\\.\\s*)?(?:${makers})\\s*\\(`,
    'g',
  );
  return [...source.matchAll(results)]
    .map(([, name = '']) => escapeDollars(name))
    .filter((name) => name !== 'require');
}

/** Other names of `require` itself, not those of minified code: `aliasedRequire = require;`. */
function aliasedRequires(source: string): string[] {
  return [...source.matchAll(/(?<![\w$.])([A-Za-z_$][\w$]{2,})\s*=\s*require\s*[;,\n]/g)]
    .map(([, name = '']) => escapeDollars(name))
    .filter((name) => name !== 'require');
}

const escapeDollars = (name: string): string => name.replaceAll('$', '\\$');

/** False for members (`module.require` aside from spreads), longer names and definitions. */
function isCall(source: string, index: number): boolean {
  const before = source[index - 1];
  if (before === '.') return source.slice(index - 3, index) === '...';
  return !/\bfunction\s*$/.test(source.slice(Math.max(0, index - 16), index));
}

function addImport(scan: Scan, found: Import, marked: Marked): void {
  if (found.type === 'import-meta') {
    addMetaReference(scan, found.start, found.end, marked.source);
    return;
  }
  if (found.type !== 'dynamic') {
    if (!found.typeOnly) scan.imports.push(found.specifier);
    return;
  }
  const isRequire = marked.requires.has(found.importStart);
  if (found.glob && found.specifier !== undefined) {
    scan.patterns.push({ kind: isRequire ? 'require' : 'import', pattern: found.specifier });
  }
  if (found.specifier === undefined || found.glob) {
    const kind = isRequire ? 'require' : 'import';
    if (!scan.computed.includes(kind)) scan.computed.push(kind);
    // A lone name is a function's argument far more often than a constant.
    const argument = marked.source.slice(found.start, found.end);
    if (!/^[\w$.]*$/.test(argument)) scan.suspicious = true;
    (isRequire ? scan.requires : scan.imports).push(...alternatives(argument));
    const pattern = sum(argument);
    if (pattern !== undefined && !found.glob) scan.patterns.push({ kind, pattern });
    return;
  }
  (isRequire ? scan.requires : scan.imports).push(found.specifier);
}

/** Of `process.env.X || 'a'` and `test ? 'a' : 'b'` the literals. */
function alternatives(argument: string): string[] {
  return [...argument.matchAll(/(?:\|\||\?\?|[?:])\s*(['"`])([^'"`\\\n$]+)\1\s*(?=$|[:?|])/g)].map(
    ([, , name = '']) => name,
  );
}

/** Of `'./locale/' + name` and `'./locale/' + name + '.js'` the pattern. */
function sum(argument: string): string | undefined {
  const parts =
    /^\s*(['"])(\.\.?\/[^'"\\\n]*\/)\1\s*\+\s*[\w$.]+(?:\s*\+\s*(['"])([^'"\\\n]*)\3)?\s*$/.exec(
      argument,
    );
  return parts === null ? undefined : `${parts[2]}*${parts[4] ?? ''}`;
}

/** What Emscripten's code and its like look for beside themselves: `locateFile('x.wasm')`. */
function wasmFiles(source: string): string[] {
  if (!source.includes('.wasm')) return [];
  return [...source.matchAll(/(['"`])(?:\.\/)?([\w-][\w.-]*\.wasm)\1/g)].map(
    ([, , name = '']) => `./${name}`,
  );
}

/** `import.meta.resolve('x')` and `new URL('./x', import.meta.url)`. */
function addMetaReference(scan: Scan, start: number, end: number, source: string): void {
  const after = /^\s*\.\s*resolve\s*\(\s*(['"`])([^'"`\\\n$]+)\1/.exec(
    source.slice(end, end + 300),
  );
  if (after?.[2] !== undefined) scan.imports.push(after[2]);
  const before = /\bnew\s+URL\s*\(\s*(['"`])([^'"`\\\n$]+)\1\s*,\s*$/.exec(
    source.slice(Math.max(0, start - 300), start),
  );
  if (before?.[2] !== undefined) scan.urls.push(before[2]);
}

/** For sources the lexer does not understand: whatever looks like a reference. */
function guess(scan: Scan, source: string): void {
  scan.moduleSyntax = /^\s*(?:import\b(?!\s*\()|export\b)/m.test(source);
  for (const [, name] of source.matchAll(/\b(?:import\s*\(?\s*|from\s*)['"]([^'"\n]+)['"]/g))
    if (name !== undefined) scan.imports.push(name);
  for (const [, name] of source.matchAll(
    /(?<![\w$.])require(?:\.resolve)?\s*\(\s*['"`]([^'"`\n]+)['"`]/g,
  ))
    if (name !== undefined) scan.requires.push(name);
}
