/** Control characters, and those that change the order in which a terminal shows the rest. */
// eslint-disable-next-line no-control-regex
const UNPRINTABLE = /[\x00-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]/;
const EACH_UNPRINTABLE = new RegExp(UNPRINTABLE, 'g');

/**
 * A name as a message shows it: on one line, and without anything that a terminal would obey. A name
 * from an archive or a tree can be anything, an escape sequence or a forged message too.
 */
export function formatName(name: string): string {
  if (!UNPRINTABLE.test(name)) return name;
  const escaped = JSON.stringify(name).replace(
    EACH_UNPRINTABLE,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
  return escaped;
}
