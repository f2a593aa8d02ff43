/** What the archive did not have, and the command that adds it. */
import type { PageData } from '../page-data.ts';
import { element, scrollable, section, table } from './dom.ts';
import { countOf, formatCount, formatName } from './format.ts';

export function missSection(data: PageData): HTMLElement {
  const { misses, missCount, command } = data;
  if (missCount === 0)
    return section(
      'misses',
      'Misses',
      element('p', {}, 'None: the archive had all that the program asked for.'),
    );
  const rows = misses.map(({ kind, what, parent, resolved, count, ranks }) => [
    element('bdi', {}, formatName(what)),
    kind,
    formatCount(count),
    element('bdi', {}, parent === undefined ? '' : below(data, parent)),
    element('bdi', {}, resolved === undefined ? '' : below(data, resolved)),
    element('span', { class: 'ranks' }, ranks),
  ]);
  const left = missCount - misses.length;
  return section(
    'misses',
    'Misses',
    element(
      'p',
      {},
      `${countOf(missCount, 'name or file', 'names and files')} that Node.js had to look for in the real file system. This adds them to the archive:`,
    ),
    commandLine(command),
    element(
      'div',
      { class: 'tall' },
      scrollable(
        'Misses',
        table(
          'Misses, the most frequent first',
          [
            { name: 'What' },
            { name: 'How' },
            { name: 'Times', numeric: true },
            { name: 'Asked by' },
            { name: 'Led to' },
            { name: 'Ranks' },
          ],
          rows,
        ),
      ),
    ),
    left > 0
      ? element('p', { class: 'muted' }, `${formatCount(left)} more are not in this page.`)
      : undefined,
  );
}

function below({ root }: PageData, path: string): string {
  return formatName(path.startsWith(`${root}/`) ? path.slice(root.length + 1) : path);
}

function commandLine(command: string): HTMLElement {
  const code = element('code', { id: 'learn-command', tabindex: 0 }, command);
  const said = element('span', { class: 'muted', role: 'status' });
  const copy = element('button', { type: 'button' }, 'Copy');
  copy.addEventListener('click', () => {
    // In a page from a file the clipboard may be closed: then the text is selected for the person to copy.
    navigator.clipboard.writeText(command).then(
      () => (said.textContent = ' copied'),
      () => {
        getSelection()?.selectAllChildren(code);
        said.textContent = ' selected: copy it with your browser';
      },
    );
  });
  return element('div', { class: 'command' }, code, copy, said);
}
