/** File names that try to be something else where they are shown. */
export const HOSTILE_NAMES = [
  '</script><script>globalThis.wasRun = true</script>',
  '<!--<script>',
  '"><img src=x onerror="globalThis.wasRun=true">',
  'it\'s $(touch /tmp/x) `id` \\ " & ; |',
  'two\nlines\r\tand a tab',
  'escape \x1b[31m and bell \x07',
  'right to left \u202egpj.exe',
  'separators \u2028 \u2029',
  // What is left of a name that is not UTF-8, and what no encoding has.
  'not UTF-8 \ufffd\ufffd',
  'half a pair \ud800',
  '日本語 é 🚀',
  '__proto__',
  'a'.repeat(4000),
];
