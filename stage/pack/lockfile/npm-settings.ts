/** npm's settings, from the places and in the order that npm reads them: https://docs.npmjs.com/cli/configuring-npm/npmrc. */
import { readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { decode } from 'ini';
import { WallaError } from '../../errors.ts';
import { isCode } from '../source-tree.ts';

const PUBLIC_REGISTRY = 'https://registry.npmjs.org/';

type Environment = Record<string, string | undefined>;

export class NpmSettings {
  readonly #values = new Map<string, string>();

  /**
   * @param directory of the project, whose .npmrc counts
   * @throws WallaError ERR_WALLA_UNREADABLE
   */
  constructor(directory: string, env: Environment = process.env) {
    const own = environmentSettings(env);
    const prefix = own.get('prefix') ?? env['PREFIX'] ?? dirname(dirname(process.execPath));
    const files = [
      own.get('globalconfig') ?? join(prefix, 'etc', 'npmrc'),
      own.get('userconfig') ?? join(homedir(), '.npmrc'),
      join(directory, '.npmrc'),
    ];
    for (const file of files)
      for (const [key, value] of fileSettings(file, env)) this.#values.set(key, value);
    for (const [key, value] of own) this.#values.set(key, value);
  }

  get(key: string): string | undefined {
    return this.#values.get(key);
  }

  /** Kinds of dependencies that npm would leave out. */
  get omit(): string[] {
    const said = (this.get('omit') ?? '').split(/[\s,]+/).filter((kind) => kind !== '');
    return process.env['NODE_ENV'] === 'production' ? [...said, 'dev'] : said;
  }

  /** Directory of npm's own cache. */
  get cache(): string {
    return this.get('cache') ?? join(homedir(), '.npm');
  }

  /** @param name of a package, whose scope may have a registry of its own */
  registry(name: string): URL {
    const scope = /^@[^/]+(?=\/)/.exec(name)?.[0];
    const text =
      (scope === undefined ? undefined : this.get(`${scope}:registry`)) ??
      this.get('registry') ??
      PUBLIC_REGISTRY;
    const slashed = text.endsWith('/') ? text : `${text}/`;
    if (!/^https?:/.test(slashed) || !URL.canParse(slashed))
      throw new WallaError('ERR_WALLA_USAGE', 'the registry in npm’s settings is no http URL', {
        hint: 'npm config get registry',
      });
    return new URL(slashed);
  }

  /**
   * The registry's name in lock files is that of the public one: npm asks the configured one instead.
   * @returns the URL to ask for a tarball
   */
  tarball(name: string, version: string, resolved: string | undefined): URL {
    const registry = this.registry(name);
    if (resolved === undefined) {
      const base = name.slice(name.lastIndexOf('/') + 1);
      return new URL(`${name}/-/${base}-${version}.tgz`, registry);
    }
    const url = new URL(resolved);
    if (this.get('replace-registry-host') === 'never') return url;
    if (url.origin !== new URL(PUBLIC_REGISTRY).origin) return url;
    return new URL(url.pathname.slice(1) + url.search, registry);
  }

  /** Value of the Authorization header for a URL: settings of the nearest path of its host that has some. */
  authorization(url: URL): string | undefined {
    for (
      let path = url.pathname;
      ;
      path = path.slice(0, path.lastIndexOf('/', path.length - 2) + 1)
    ) {
      const found = this.#credentials(`//${url.host}${path}`);
      if (found !== undefined) return found;
      if (path === '/' || path === '') return undefined;
    }
  }

  #credentials(place: string): string | undefined {
    const value = (key: string) => this.get(`${place}:${key}`);
    const token = value('_authToken');
    if (token !== undefined) return `Bearer ${token}`;
    const both = value('_auth');
    if (both !== undefined) return `Basic ${both}`;
    const user = value('username');
    const password = value('_password');
    if (user === undefined || password === undefined) return undefined;
    // _password is Base64 already, alone.
    const plain = `${user}:${Buffer.from(password, 'base64').toString('utf8')}`;
    return `Basic ${Buffer.from(plain).toString('base64')}`;
  }
}

function fileSettings(file: string, env: Environment): [string, string][] {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    if (isCode(error, 'ENOENT', 'ENOTDIR', 'EACCES', 'EISDIR')) return [];
    throw error;
  }
  return Object.entries(decode(text) as Record<string, unknown>).flatMap(([key, value]) => {
    const one: unknown = Array.isArray(value) ? value.join(' ') : value;
    return typeof one === 'string' || typeof one === 'boolean'
      ? [[expand(key, env), expand(String(one), env)] as [string, string]]
      : [];
  });
}

/** `${NAME}`, and `${NAME?}` for one that may be missing; a backslash in front keeps it as it is. */
function expand(text: string, env: Environment): string {
  return text.replace(
    /(?<!\\)\$\{([^${}?]+)(\?)?\}/g,
    (whole, name: string, optional?: string) => env[name] ?? (optional === undefined ? whole : ''),
  );
}

function environmentSettings(env: Environment): Map<string, string> {
  const settings = new Map<string, string>();
  for (const [name, value] of Object.entries(env)) {
    const key = /^npm_config_(.+)$/i.exec(name)?.[1];
    if (key === undefined || value === undefined || value === '') continue;
    // Keys of one registry have their own capitals and underscores.
    settings.set(/^(?:\/\/|_)/.test(key) ? key : key.replace(/(?!^)_/g, '-').toLowerCase(), value);
  }
  return settings;
}
