/** Rows that the arrow keys walk through: one of them is in the tab order (a roving tabindex). */

export interface RowsOptions<Item> {
  /** Called when a row gets the focus, or is clicked. */
  onSelect: (item: Item) => void;
}

/** @param rows elements with what they stand for, in the order in which they are shown */
export function walkRows<Item>(
  container: HTMLElement,
  rows: readonly (readonly [HTMLElement, Item])[],
  { onSelect }: RowsOptions<Item>,
): void {
  const items = new Map<Element, Item>(rows);
  const elements = rows.map(([row]) => row);
  elements.forEach((row, index) => (row.tabIndex = index === 0 ? 0 : -1));
  container.addEventListener('focusin', ({ target }) => {
    const row = elements.find((row) => row.contains(target as Node));
    const item = row && items.get(row);
    if (!row || item === undefined) return;
    for (const other of elements) {
      other.tabIndex = other === row ? 0 : -1;
      other.setAttribute('aria-selected', String(other === row));
    }
    onSelect(item);
  });
  container.addEventListener('click', ({ target }) => {
    elements.find((row) => row.contains(target as Node))?.focus();
  });
  container.addEventListener('keydown', (event) => {
    const focused = elements.find((row) => row === document.activeElement);
    if (!focused) return;
    const visible = elements.filter((row) => !row.hidden);
    const next = target(event.key, visible.indexOf(focused), visible.length);
    if (next === undefined) return;
    event.preventDefault();
    visible[next]?.focus();
  });
}

const PAGE = 10;

function target(key: string, from: number, count: number): number | undefined {
  const moves: Record<string, number> = {
    ArrowDown: from + 1,
    ArrowUp: from - 1,
    PageDown: from + PAGE,
    PageUp: from - PAGE,
    Home: 0,
    End: count - 1,
  };
  const to = moves[key];
  return to === undefined ? undefined : Math.max(0, Math.min(count - 1, to));
}
