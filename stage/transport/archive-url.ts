/**
 * Archives named by URL, and how they are shown: what may be a credential (user, password, query) is in no
 * message, log or argument list.
 */
import { WallaError } from '../errors.ts';

/** Whether WALLA_ARCHIVE names a URL rather than a path. */
export function isArchiveUrl(archive: string): boolean {
  return /^https?:\/\//i.test(archive);
}

/** @throws WallaError ERR_WALLA_OPTION, which does not repeat what was given */
export function parseArchiveUrl(archive: string): URL {
  // URL.parse came with Node.js 22, and the error of `new URL` holds its input.
  if (URL.canParse(archive)) return new URL(archive);
  throw new WallaError('ERR_WALLA_OPTION', 'WALLA_ARCHIVE is not a valid URL', {
    hint: 'write it as https://HOST/PATH, with special characters of user and password as %XX',
  });
}

/** A URL for people: without user and password, its query as `?...`. */
export function showUrl(url: URL): string {
  return `${url.origin}${url.pathname}${url.search === '' ? '' : '?...'}`;
}

/** Shortest text that is taken for a secret wherever it stands: a shorter one would blot out words. */
const SECRET_LENGTH = 3;

/** Takes everything secret of a URL out of a text that others wrote. */
export function withoutSecrets(text: string, url: URL): string {
  const { href, search, username, password } = url;
  const hidden: [string, string][] = [
    [href, showUrl(url)],
    [`${username}:${password}@`, ''],
    [search, '?...'],
  ];
  for (const part of [username, password, ...url.searchParams.values()])
    for (const form of [part, safeDecode(part), encodeURIComponent(part)])
      if (form.length >= SECRET_LENGTH) hidden.push([form, '...']);
  return hidden
    .filter(([secret]) => secret !== '' && secret !== ':@')
    .reduce((cleaned, [secret, shown]) => cleaned.replaceAll(secret, shown), text);
}

/** Decodes %XX; a text with a stray % stays as it is. */
export function safeDecode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
