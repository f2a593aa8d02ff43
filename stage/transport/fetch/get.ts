/** One GET: redirects followed by hand, so that credentials stay with the origin they were given for. */
import { readFileSync } from 'node:fs';
import type { IncomingHttpHeaders } from 'node:http';
import { type Dispatcher, EnvHttpProxyAgent, request } from 'undici';
import { WallaError } from '../../errors.ts';
import { WALLA_VERSION } from '../../version.ts';
import { safeDecode, showUrl, withoutSecrets } from '../archive-url.ts';
import { Interrupted } from './interrupted.ts';
import type { Watchdog } from './watchdog.ts';

const MOST_REDIRECTS = 5;
const REDIRECTS = new Set([301, 302, 303, 307, 308]);
/** Failures that another attempt does not mend. */
const UNTRUSTED =
  /^(CERT_|ERR_TLS_|ERR_SSL_|SELF_SIGNED_|DEPTH_ZERO_|UNABLE_TO_(GET|VERIFY)|HOSTNAME_MISMATCH|INVALID_CA)/;

export interface Response {
  status: number;
  headers: IncomingHttpHeaders;
  body: Dispatcher.ResponseData['body'];
}

/** Settings by npm's names, which win over the environment. */
interface AgentSettings {
  get(key: string): string | undefined;
}

/** Takes http_proxy, https_proxy and no_proxy from the environment; plain http goes to a proxy without a tunnel. */
export function makeAgent(timeoutMs: number, settings?: AgentSettings): Dispatcher {
  try {
    return new EnvHttpProxyAgent({
      connect: { timeout: timeoutMs, ...trustOf(settings) },
      ...proxiesOf(settings),
      // The watchdog looks after these: undici lets a server off that sends a byte now and then.
      headersTimeout: 0,
      bodyTimeout: 0,
      proxyTunnel: false,
    });
  } catch {
    // Its own message may hold the proxy's password.
    throw new WallaError('ERR_WALLA_TRANSFER', 'the proxy in http_proxy or https_proxy is no URL', {
      hint: 'write it as http://HOST:PORT, or unset it',
    });
  }
}

function proxiesOf(settings: AgentSettings | undefined): {
  httpProxy?: string;
  httpsProxy?: string;
  noProxy?: string;
} {
  const httpProxy = settings?.get('proxy');
  const httpsProxy = settings?.get('https-proxy') ?? httpProxy;
  const noProxy = settings?.get('noproxy');
  return {
    ...(httpProxy !== undefined && isUrl(httpProxy) && { httpProxy }),
    ...(httpsProxy !== undefined && isUrl(httpsProxy) && { httpsProxy }),
    ...(noProxy !== undefined && { noProxy }),
  };
}

/** npm writes `null` and `false` for none. */
function isUrl(text: string): boolean {
  return /^https?:/.test(text);
}

function trustOf(settings: AgentSettings | undefined): { ca?: Buffer; rejectUnauthorized?: false } {
  const cafile = settings?.get('cafile');
  return {
    ...(cafile !== undefined && cafile !== 'null' && { ca: readFileSync(cafile) }),
    ...(settings?.get('strict-ssl') === 'false' && { rejectUnauthorized: false as const }),
  };
}

/**
 * @param start URL with its credentials; they are sent to its origin alone
 * @param authorization header for that origin, instead of one with the URL's user and password
 * @throws Interrupted, or WallaError when it is of no use to try again
 */
export async function get(
  start: URL,
  headers: Record<string, string>,
  agent: Dispatcher,
  watchdog: Watchdog,
  authorization = basicAuthorization(start),
): Promise<Response> {
  let url = start;
  for (let redirects = 0; ; redirects++) {
    const own = url.origin === start.origin && authorization ? { authorization } : {};
    const response = await send(url, start, { ...headers, ...own }, agent, watchdog);
    const { location } = response.headers;
    if (!REDIRECTS.has(response.status) || location === undefined) return response;
    discard(response);
    if (redirects === MOST_REDIRECTS)
      throw refused(start, `was redirected more than ${MOST_REDIRECTS} times`);
    url = redirected(url, location, start);
  }
}

/** Lets go of a body that nobody reads, and of its connection. */
export function discard({ body }: Response): void {
  body.on('error', () => undefined);
  body.destroy();
}

async function send(
  url: URL,
  start: URL,
  headers: Record<string, string>,
  agent: Dispatcher,
  watchdog: Watchdog,
): Promise<Response> {
  const bare = new URL(url);
  bare.username = '';
  bare.password = '';
  const all = {
    'user-agent': `walla/${WALLA_VERSION}`,
    'accept-encoding': 'identity',
    ...headers,
  };
  watchdog.expectHeaders();
  try {
    const { statusCode, headers, body } = await request(bare, {
      dispatcher: agent,
      headers: all,
      signal: watchdog.signal,
    });
    return { status: statusCode, headers, body };
  } catch (error) {
    watchdog.stop();
    if (watchdog.reason) throw watchdog.reason;
    throw failure(error, url, start);
  }
}

function basicAuthorization({ username, password }: URL): string | undefined {
  if (username === '' && password === '') return undefined;
  const both = `${safeDecode(username)}:${safeDecode(password)}`;
  return `Basic ${Buffer.from(both).toString('base64')}`;
}

function redirected(from: URL, location: string, start: URL): URL {
  if (!URL.canParse(location, from.href)) throw refused(start, 'was redirected to no valid URL');
  const url = new URL(location, from);
  url.username = '';
  url.password = '';
  const secure = from.protocol === 'https:';
  if (url.protocol !== 'https:' && (secure || url.protocol !== 'http:'))
    throw refused(start, `was redirected to ${showUrl(url)}, which is not https`);
  return url;
}

function failure(error: unknown, url: URL, start: URL): Error {
  const { code = '', message } = describe(error);
  const text = withoutSecrets(withoutSecrets(message, url), start);
  if (UNTRUSTED.test(code))
    return new WallaError('ERR_WALLA_TRANSFER', `cannot trust ${showUrl(url)}: ${text} (${code})`, {
      hint: 'name the certificate of your authority in NODE_EXTRA_CA_CERTS',
    });
  return new Interrupted(code === '' || text.includes(code) ? text : `${text} (${code})`);
}

/** The first error that says something: a connection to several addresses fails with an empty AggregateError. */
export function describe(error: unknown): { code?: string; message: string } {
  if (error instanceof AggregateError && error.message === '' && error.errors.length > 0)
    return describe(error.errors[0]);
  if (!(error instanceof Error)) return { message: String(error) };
  const { code } = error as NodeJS.ErrnoException;
  return { message: error.message, ...(code === undefined ? {} : { code }) };
}

function refused(start: URL, what: string): WallaError {
  return new WallaError('ERR_WALLA_TRANSFER', `${showUrl(start)} ${what}`, {
    hint: 'name the URL that has the archive in WALLA_ARCHIVE',
  });
}
