/** Elements, with text as text: nothing here makes markup from a string. */

type Child = Node | string | undefined;

export interface Attributes {
  class?: string;
  title?: string;
  role?: string;
  id?: string;
  href?: string;
  type?: string;
  scope?: string;
  placeholder?: string;
  for?: string;
  tabindex?: number;
  colspan?: number;
  hidden?: boolean;
  open?: boolean;
  'aria-label'?: string;
  'aria-labelledby'?: string;
  'aria-live'?: string;
  'aria-hidden'?: boolean;
  'aria-expanded'?: boolean;
  'aria-pressed'?: boolean;
  'aria-describedby'?: string;
  'aria-level'?: number;
}

export function element<Name extends keyof HTMLElementTagNameMap>(
  name: Name,
  attributes: Attributes = {},
  ...children: Child[]
): HTMLElementTagNameMap[Name] {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value === undefined || value === false) continue;
    const isFlag = value === true && !key.startsWith('aria-');
    made.setAttribute(key, isFlag ? '' : String(value));
  }
  made.append(...children.filter((child) => child !== undefined));
  return made;
}

/** A bar from `from` to `to`, both shares of the width of what it is in. */
export function bar(className: string, from: number, to: number): HTMLElement {
  const made = element('span', { class: `bar ${className}` });
  made.style.left = percent(from);
  made.style.width = percent(Math.max(0, to - from));
  return made;
}

export function percent(share: number): string {
  return `${(share * 100).toFixed(3)}%`;
}

/** A table whose first column names the row. */
export function table(
  caption: string,
  columns: readonly Column[],
  rows: readonly (readonly (string | Node)[])[],
): HTMLTableElement {
  const head = element(
    'thead',
    {},
    element(
      'tr',
      {},
      ...columns.map(({ name, numeric }) =>
        element('th', { scope: 'col', ...(numeric && { class: 'number' }) }, name),
      ),
    ),
  );
  const body = element(
    'tbody',
    {},
    ...rows.map((cells) =>
      element(
        'tr',
        {},
        ...cells.map((cell, index) => {
          const isNumber = columns[index]?.numeric === true;
          return index === 0
            ? element('th', { scope: 'row' }, cell)
            : element('td', isNumber ? { class: 'number' } : {}, cell);
        }),
      ),
    ),
  );
  return element('table', {}, element('caption', {}, caption), head, body);
}

export interface Column {
  name: string;
  numeric?: boolean;
}

/** Names with values, side by side. */
export function facts(pairs: readonly (readonly [name: string, value: string])[]): HTMLElement {
  return element(
    'dl',
    { class: 'facts' },
    ...pairs.map(([name, value]) =>
      element('div', {}, element('dt', {}, name), element('dd', {}, element('bdi', {}, value))),
    ),
  );
}

/** What can be wide scrolls by itself, by keyboard too. */
export function scrollable(label: string, content: Node): HTMLElement {
  return element(
    'div',
    { class: 'scroll', role: 'region', 'aria-label': label, tabindex: 0 },
    content,
  );
}

/** A part of the page with a heading. */
export function section(id: string, heading: string, ...children: Child[]): HTMLElement {
  return element(
    'section',
    { id, 'aria-labelledby': `${id}-heading` },
    element('h2', { id: `${id}-heading` }, heading),
    ...children,
  );
}
