/** One HTML file that needs nothing else: style, script and data are in it. */
import { createHash } from 'node:crypto';
import type { PageData } from './page-data.ts';

export interface PageAssets {
  script: string;
  style: string;
}

/**
 * Names in a report come from programs and file systems and can be anything. They are in the page as JSON in a block
 * that no browser runs, in which no `<` can end it, and the script shows them as text alone. The policy lets nothing
 * run but that script, and nothing be fetched.
 * @param data must be JSON
 */
export function reportPage(data: PageData, { script, style }: PageAssets): string {
  const policy = [
    "default-src 'none'",
    `script-src '${digestOf(script)}'`,
    `style-src '${digestOf(style)}'`,
    "base-uri 'none'",
    "form-action 'none'",
  ].join('; ');
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>walla report</title>
<style>${style}</style>
</head>
<body>
<noscript>This report is drawn by a script in this file. Without it: walla report FILE --json</noscript>
<main id="report"></main>
<script type="application/json" id="data">${embedJson(data)}</script>
<script>${script}</script>
</body>
</html>
`;
}

/** JSON that can stand in a script element: `<` begins no tag or comment. Lone surrogates become escapes by themselves. */
export function embedJson(data: unknown): string {
  return JSON.stringify(data).replaceAll('<', '\\u003c');
}

function digestOf(text: string): string {
  return `sha256-${createHash('sha256').update(text).digest('base64')}`;
}
