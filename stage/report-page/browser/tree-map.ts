/** The archive by size: a squarified tree map, one folder at a time. */
import { hierarchy, treemap } from 'd3-hierarchy';
import type { ArchiveTree } from '../archive-tree.ts';
import type { PageData } from '../page-data.ts';
import { element, percent, scrollable, section, table } from './dom.ts';
import { countOf, formatBytes, formatCount, formatName } from './format.ts';

/** Levels of folders that are drawn inside each other. */
const DEPTH = 2;
const HEIGHT_PX = 420;
const WIDTH_PX = 1000;
const HUES = 6;
const ALMOST_ALL = 0.9;

export function treeSection(data: PageData): HTMLElement {
  const { tree, treeProblem } = data;
  if (!tree)
    return section('tree', 'Archive by size', element('p', {}, treeProblem ?? 'There is none.'));
  return section(
    'tree',
    'Archive by size',
    element('p', {}, 'Arrow keys move between entries, Enter opens a folder, Escape goes back up.'),
    new TreeMap(tree).element,
  );
}

class TreeMap {
  readonly element = element('div');
  readonly #map = element('div', { class: 'tree-map', role: 'group' });
  readonly #path = element('nav', { class: 'path', 'aria-label': 'Folder' });
  readonly #list = element('details', {}, element('summary', {}, 'The same as a table'));
  readonly #tree: ArchiveTree;
  /** From the root to the folder that is shown. */
  #open: ArchiveTree[];

  constructor(tree: ArchiveTree) {
    this.#tree = tree;
    this.#open = withOnlyChildren(tree);
    this.#map.style.height = `${HEIGHT_PX}px`;
    this.#map.addEventListener('keydown', (event) => {
      this.#onKey(event);
    });
    this.element.append(this.#path, this.#map, this.#list);
    this.#draw();
  }

  get #folder(): ArchiveTree {
    return this.#open.at(-1) ?? this.#tree;
  }

  #draw(): void {
    const folder = this.#folder;
    this.#drawPath();
    this.#map.setAttribute('aria-label', `${formatName(folder.name)}, ${describe(folder)}`);
    const root = treemap<ArchiveTree>()
      .size([WIDTH_PX, HEIGHT_PX])
      .paddingInner(2)
      .paddingTop((node) => (node.depth > 0 ? 20 : 0))(
      hierarchy(folder, ({ children }) => children).sum((node) => (node.children ? 0 : node.bytes)),
    );
    const boxes = root.descendants().filter(({ depth }) => depth > 0 && depth <= DEPTH);
    this.#map.replaceChildren(
      ...boxes.map((node) => {
        const top = node.depth === 1 ? node : node.parent;
        const hue = top ? (root.children ?? []).indexOf(top) % HUES : 0;
        const width = (node.x1 - node.x0) / WIDTH_PX;
        return this.#box(node.data, node.depth, hue, {
          left: percent(node.x0 / WIDTH_PX),
          top: percent(node.y0 / HEIGHT_PX),
          width: percent(width),
          height: percent((node.y1 - node.y0) / HEIGHT_PX),
          hasRoom: width > 0.035 && node.y1 - node.y0 > 15,
        });
      }),
    );
    this.#drawList();
  }

  #box(
    tree: ArchiveTree,
    depth: number,
    hue: number,
    {
      hasRoom,
      ...place
    }: Record<'left' | 'top' | 'width' | 'height', string> & {
      hasRoom: boolean;
    },
  ): HTMLElement {
    const label = `${formatName(tree.name)}, ${describe(tree)}`;
    const isTop = depth === 1;
    const tight = hasRoom ? '' : ' tight';
    const made = element(
      isTop ? 'button' : 'div',
      isTop
        ? { class: `box hue${hue}${tight}`, type: 'button', 'aria-label': label, title: label }
        : { class: `box inner hue${hue}${tight}`, 'aria-hidden': true, title: label },
      hasRoom ? element('bdi', {}, formatName(tree.name)) : undefined,
      hasRoom && isTop ? element('span', {}, ` ${formatBytes(tree.bytes)}`) : undefined,
    );
    Object.assign(made.style, place);
    if (isTop) {
      made.tabIndex = -1;
      if (!this.#map.contains(document.activeElement)) made.tabIndex = 0;
      made.addEventListener('click', () => {
        this.#enter(tree);
      });
    } else made.addEventListener('click', () => this.#enter(this.#parentOf(tree)));
    return made;
  }

  #parentOf(tree: ArchiveTree): ArchiveTree {
    return this.#folder.children?.find(({ children }) => children?.includes(tree)) ?? tree;
  }

  #enter(tree: ArchiveTree): void {
    if (!tree.children) return;
    this.#open.push(...withOnlyChildren(tree));
    this.#draw();
    this.#focusFirst();
  }

  #leave(levels: number): void {
    const left = this.#folder;
    this.#open.length = Math.max(1, this.#open.length - levels);
    this.#draw();
    const index = this.#folder.children?.indexOf(left) ?? 0;
    (this.#buttons()[Math.max(0, index)] ?? this.#buttons()[0])?.focus();
  }

  #buttons(): HTMLElement[] {
    return [...this.#map.querySelectorAll<HTMLElement>('button')];
  }

  #focusFirst(): void {
    this.#buttons()[0]?.focus();
  }

  #onKey(event: KeyboardEvent): void {
    const buttons = this.#buttons();
    const index = buttons.findIndex((button) => button === document.activeElement);
    if (event.key === 'Escape' || event.key === 'Backspace') {
      event.preventDefault();
      if (this.#open.length > 1) this.#leave(1);
      return;
    }
    const steps: Record<string, number> = {
      ArrowRight: 1,
      ArrowDown: 1,
      ArrowLeft: -1,
      ArrowUp: -1,
      Home: -index,
      End: buttons.length - 1 - index,
    };
    const step = steps[event.key];
    if (index < 0 || step === undefined) return;
    event.preventDefault();
    // By size, which is the order of the entries.
    const next = buttons[Math.max(0, Math.min(buttons.length - 1, index + step))];
    for (const button of buttons) button.tabIndex = button === next ? 0 : -1;
    next?.focus();
  }

  #drawPath(): void {
    const steps = this.#open.map((folder, index) => {
      const up = this.#open.length - 1 - index;
      const name = formatName(folder.name);
      if (up === 0) return element('strong', {}, element('bdi', {}, name));
      const button = element('button', { type: 'button' }, element('bdi', {}, name));
      button.addEventListener('click', () => {
        this.#leave(up);
      });
      return button;
    });
    this.#path.replaceChildren(
      ...steps.flatMap((step, index) => (index === 0 ? [step] : [' / ', step])),
      element('span', { class: 'muted' }, ` ${describe(this.#folder)}`),
    );
  }

  #drawList(): void {
    const { children = [], bytes } = this.#folder;
    const rows = children.map((child) => [
      element('bdi', {}, formatName(child.name)),
      formatBytes(child.bytes),
      `${((100 * child.bytes) / Math.max(1, bytes)).toFixed(1)} %`,
      formatCount(child.files),
    ]);
    const made = table(
      `What is in ${formatName(this.#folder.name)}`,
      [
        { name: 'Name' },
        { name: 'Size', numeric: true },
        { name: 'Share', numeric: true },
        { name: 'Files', numeric: true },
      ],
      rows,
    );
    this.#list.replaceChildren(
      element('summary', {}, 'The same as a table'),
      scrollable('Entries of this folder', made),
    );
  }
}

/** A folder, and what is almost all of it: a picture of one box says nothing. */
function withOnlyChildren(tree: ArchiveTree): ArchiveTree[] {
  const [largest] = tree.children ?? [];
  return largest?.children && largest.bytes > ALMOST_ALL * tree.bytes
    ? [tree, ...withOnlyChildren(largest)]
    : [tree];
}

function describe({ bytes, files, children }: ArchiveTree): string {
  const size = formatBytes(bytes);
  return children || files > 1 ? `${size} in ${countOf(files, 'file')}` : size;
}
