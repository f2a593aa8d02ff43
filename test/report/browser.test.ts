import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { type Browser, chromium, type Page } from 'playwright-core';
import { archiveTree } from '../../stage/report-page/archive-tree.ts';
import { reportPage } from '../../stage/report-page/html.ts';
import { type PageData, pageData } from '../../stage/report-page/page-data.ts';
import { pageAssets } from '../../stage/report-page/write.ts';
import { chromiumPath } from './chromium.ts';
import { HOSTILE_NAMES } from './hostile-names.ts';
import { simulateReport } from './simulated-job.ts';

const skip = chromiumPath === undefined && 'there is no Chromium here';

const COMMAND = 'walla pack /shared/app/app.mjs -o /shared/app/app.walla --learn /r.json';
const FILES = Array.from({ length: 900 }, (_, i) => ({
  path: `node_modules/package-${i % 30}/lib/file-${i}.js`,
  size: 1000 * (30 - (i % 30)) + i,
}));
const TREE = archiveTree('app.walla', [...FILES, { path: 'app.mjs', size: 4_000_000 }]);

/** Pages, by name. */
const PAGES: Record<string, PageData> = {
  one: pageData(
    simulateReport({ ranks: 1, ranksPerNode: 1, modules: 20 }),
    '/r.json',
    COMMAND,
    'The archive is not there any more.',
  ),
  many: pageData(
    simulateReport({
      ranks: 10_000,
      ranksPerNode: 16,
      slowNode: 77,
      modules: 3000,
      misses: [{ kind: 'read', path: '/shared/app/data.bin', count: 3 }],
    }),
    '/r.json',
    COMMAND,
    TREE,
  ),
  hostile: hostilePage(),
};

/** Hostile names wherever a report has names. */
function hostilePage(): PageData {
  const report = simulateReport({ ranks: 4, ranksPerNode: 1, modules: 3 });
  const [module] = report.modules;
  assert.ok(module);
  return pageData(
    {
      ...report,
      programs: [...HOSTILE_NAMES],
      archive: HOSTILE_NAMES[0] ?? '',
      timeline: report.timeline.map((row, i) => ({ ...row, host: HOSTILE_NAMES[i] ?? '' })),
      modules: HOSTILE_NAMES.map((path, i) => ({ ...module, path, askedMs: i })),
      misses: HOSTILE_NAMES.map((name) => ({
        kind: 'import',
        specifier: name,
        parent: name,
        resolved: name,
        count: 1,
        ranks: '0',
      })),
    },
    '/r.json',
    HOSTILE_NAMES.join(' '),
    archiveTree(
      HOSTILE_NAMES[1] ?? '',
      HOSTILE_NAMES.map((path) => ({ path, size: 10 })),
    ),
  );
}

describe('the page of a report, in Chromium', { skip }, () => {
  let browser: Browser;
  let directory: string;

  before(async () => {
    if (skip) return;
    directory = mkdtempSync(join(tmpdir(), 'walla-report-page-'));
    for (const [name, data] of Object.entries(PAGES))
      writeFileSync(join(directory, `${name}.html`), reportPage(data, pageAssets()));
    browser = await chromium.launch({
      executablePath: chromiumPath ?? '',
      // As root there is no sandbox to be had, and a container's /dev/shm can be small.
      args: ['--no-sandbox', '--disable-dev-shm-usage'],
    });
  });
  after(async () => {
    if (skip) return;
    await browser.close();
    rmSync(directory, { recursive: true });
  });

  /** Runs a check in a page of its own; nothing may be logged, thrown or fetched meanwhile. */
  async function inPage(
    name: string,
    check: (page: Page) => Promise<void>,
    options: { colorScheme?: 'light' | 'dark' } = {},
  ): Promise<void> {
    const page = await browser.newPage(options);
    const told: string[] = [];
    const url = pathToFileURL(join(directory, `${name}.html`)).href;
    page.on('console', (message) => told.push(message.text()));
    page.on('pageerror', ({ message }) => told.push(message));
    page.on('dialog', (dialog) => {
      told.push(dialog.message());
      void dialog.dismiss();
    });
    page.on('request', (request) => {
      if (request.url() !== url) told.push(request.url());
    });
    await page.goto(url);
    await check(page);
    await page.close();
    assert.deepEqual(told, []);
  }

  for (const name of Object.keys(PAGES))
    test(`${name}: all parts are drawn, without an error or a request`, () =>
      inPage(name, async (page) => {
        const ids = await page.evaluate(
          '[...document.querySelectorAll("section")].map((s) => s.id)',
        );
        assert.deepEqual([...(ids as string[])].sort(), [
          'misses',
          'modules',
          'phases',
          'timeline',
          'tree',
        ]);
        const rows = page.locator('#timeline tbody tr');
        assert.equal(await rows.count(), PAGES[name]?.timeline.length);
        for (const width of [1280, 420]) {
          await page.setViewportSize({ width, height: 800 });
          const excess = await page.evaluate('document.documentElement.scrollWidth - innerWidth');
          assert.ok(Number(excess) <= 0, `${String(excess)} pixels too wide for ${width}`);
        }
      }));

  test('the command that adds the misses is shown as it is to be typed', () =>
    inPage('many', async (page) => {
      assert.equal(await page.locator('#learn-command').textContent(), COMMAND);
      const row = page.locator('#misses tbody tr');
      assert.match((await row.textContent()) ?? '', /data\.bin.*read.*750/);
    }));

  test('the slow node is in the time line, and its numbers can be read', () =>
    inPage('many', async (page) => {
      const slow = page.locator('#timeline tbody tr', { hasText: 'nid00077' });
      await slow.focus();
      const details = page.locator('#timeline .details');
      assert.match((await details.textContent()) ?? '', /nid00077.*extract at/s);
    }));

  test('arrow keys walk through the rows of a chart, and the tab key leaves it', () =>
    inPage('many', async (page) => {
      for (const part of ['#timeline', '#modules']) {
        const rows = page.locator(`${part} .chart tbody tr`);
        const focused = (): Promise<unknown> => focusedIndex(page, `${part} .chart tbody tr`);
        await rows.first().focus();
        for (const [key, index] of [
          ['ArrowDown', 1],
          ['ArrowDown', 2],
          ['ArrowUp', 1],
          ['PageDown', 11],
          ['Home', 0],
          ['ArrowUp', 0],
          ['End', (await rows.count()) - 1],
        ] as const) {
          await page.keyboard.press(key);
          assert.equal(await focused(), index, `${part} ${key}`);
        }
        const outline = await page.evaluate(OUTLINE);
        assert.equal(outline, 'solid3px');
        assert.notEqual(await page.locator(`${part} .details`).textContent(), '');
        await page.keyboard.press('Tab');
        assert.equal(await focused(), -1);
      }
    }));

  test('everything that acts can be reached by the tab key', () =>
    inPage('many', async (page) => {
      const reached = new Set<string>();
      const describeFocus = `(() => {
        const it = document.activeElement;
        return it.id || it.textContent.slice(0, 12) || it.tagName;
      })()`;
      for (let i = 0; i < 25; i++) {
        await page.keyboard.press('Tab');
        reached.add(String(await page.evaluate(describeFocus)));
      }
      for (const wanted of [
        'learn-command',
        'Copy',
        'with-program',
        'module-order',
        'module-filter',
      ])
        assert.ok(reached.has(wanted), `${wanted} is not among ${[...reached].join(', ')}`);
    }));

  test('a folder of the archive is opened by Enter and left by Escape', () =>
    inPage('many', async (page) => {
      const folder = page.locator('#tree nav strong');
      const boxes = page.locator('#tree button.box');
      const all = await folder.textContent();
      await boxes.first().focus();
      assert.match((await boxes.first().getAttribute('aria-label')) ?? '', /^node_modules, /);
      await page.keyboard.press('Enter');
      assert.equal(await folder.textContent(), 'node_modules');
      await page.keyboard.press('ArrowRight');
      assert.equal(await focusedIndex(page, '#tree button.box'), 1);
      await page.keyboard.press('Escape');
      assert.equal(await folder.textContent(), all);
      assert.equal(await focusedIndex(page, '#tree button.box'), 0);
    }));

  test('a filter and the order choose modules', () =>
    inPage('many', async (page) => {
      const rows = page.locator('#modules .chart tbody tr');
      await page.locator('#module-filter').fill('package-7/');
      const names = await rows.locator('bdi').allTextContents();
      assert.ok(names.length > 1 && names.every((name) => name.startsWith('package-7/')));
      await page.locator('#module-filter').fill('');
      await page.locator('#module-order').selectOption('time');
      assert.equal(await rows.locator('bdi').first().textContent(), earliest(PAGES['many']));
      const before = await rows.count();
      await page.getByRole('button', { name: /^Show \d+ more$/ }).click();
      assert.ok((await rows.count()) > before);
    }));

  test('the program is in the time line where it is asked for', () =>
    inPage('one', async (page) => {
      const bars = page.locator('#timeline .bar.program');
      assert.equal(await bars.count(), 1);
      const before = (await bars.boundingBox())?.width ?? 0;
      await page.locator('#with-program').check();
      assert.ok(((await bars.boundingBox())?.width ?? 0) > 100 + before);
    }));

  for (const colorScheme of ['light', 'dark'] as const)
    for (const name of ['one', 'many'])
      test(`${name}: text and focus can be told from what is behind them, ${colorScheme}`, () =>
        inPage(
          name,
          async (page) => {
            await page.locator('#timeline tbody tr').first().focus();
            await page.locator('#modules .chart tbody tr').first().focus();
            await page.evaluate('document.querySelector("#tree summary")?.click()');
            const { checked, faint, isDark } = await page.evaluate<{
              checked: number;
              faint: string[];
              isDark: boolean;
            }>(CONTRASTS);
            assert.equal(isDark, colorScheme === 'dark');
            assert.ok(checked > 100, `only ${checked} texts`);
            assert.deepEqual(faint, []);
          },
          { colorScheme },
        ));

  test('hostile names are text', () =>
    inPage('hostile', async (page) => {
      assert.equal(await page.evaluate('globalThis.wasRun'), undefined);
      assert.equal(await page.locator('img, section script').count(), 0);
      const missed = await page.locator('#misses tbody th').allTextContents();
      assert.equal(missed.length, HOSTILE_NAMES.length);
      assert.ok(missed.includes(HOSTILE_NAMES[0] ?? ''));
      // Nothing that ends a line, or turns the rest around, is shown as itself.
      assert.doesNotMatch(missed.join(''), /[\n\r\t\u202e]/);
      await page.locator('#modules .chart tbody tr').first().focus();
      await page.keyboard.press('End');
      assert.equal(await page.evaluate('globalThis.wasRun'), undefined);
    }));
});

/** Which of the elements has the focus; -1 for none of them. */
function focusedIndex(page: Page, selector: string): Promise<unknown> {
  return page.evaluate(
    `[...document.querySelectorAll(${JSON.stringify(selector)})].indexOf(document.activeElement)`,
  );
}

const OUTLINE = `(() => {
  const { outlineStyle, outlineWidth } = getComputedStyle(document.activeElement);
  return outlineStyle + outlineWidth;
})()`;

function earliest(data: PageData | undefined): string | undefined {
  return data?.modules[0]?.path.replace('node_modules/', '');
}

/**
 * Contrast of each text with the nearest background behind it, and of the focus with the card: WCAG 2.2, relative
 * luminance and contrast ratio. Text needs 4.5, what is no text 3.
 */
const CONTRASTS = `(() => {
  const parse = (color) => color.match(/[\\d.]+/g).map(Number);
  const luminance = (color) => {
    const [r, g, b] = parse(color).map((c) => (c /= 255) <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ratio = (a, b) => {
    const [dark, light] = [luminance(a), luminance(b)].sort((x, y) => x - y);
    return (light + 0.05) / (dark + 0.05);
  };
  const behind = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const color = getComputedStyle(at).backgroundColor;
      if ((parse(color)[3] ?? 1) === 1) return color;
    }
    return 'rgb(255, 255, 255)';
  };
  const faint = [];
  let checked = 0;
  for (const element of document.querySelectorAll('main *')) {
    const hasText = [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim() !== '');
    if (!hasText || element.getClientRects().length === 0) continue;
    checked++;
    const value = ratio(getComputedStyle(element).color, behind(element));
    if (value < 4.5) faint.push(element.textContent.slice(0, 40) + ' ' + value.toFixed(2));
  }
  const swatch = document.createElement('span');
  document.querySelector('section').append(swatch);
  for (const name of ['focus', 'start', 'find', 'place', 'extract', 'attach', 'program', 'load', 'run']) {
    swatch.style.backgroundColor = 'var(--' + name + ')';
    for (const ground of [document.querySelector('section'), document.querySelector('.track')]) {
      const value = ratio(getComputedStyle(swatch).backgroundColor, getComputedStyle(ground).backgroundColor);
      if (value < 3) faint.push(name + ' ' + value.toFixed(2));
    }
  }
  return { checked, faint, isDark: luminance(getComputedStyle(document.body).backgroundColor) < 0.2 };
})()`;
