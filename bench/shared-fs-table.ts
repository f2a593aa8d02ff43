import { reference } from './contenders/index.ts';
import {
  adjustedSeconds,
  byRound,
  type Layout,
  type Results,
  type Row,
  rowsOf,
} from './results.ts';
import { kinds, requestCount } from './sharedfs/shared-fs.ts';
import { median, ratio } from './statistics.ts';

const of = (rows: Row[], pick: (row: Row) => number): number[] => rows.map(pick);
const seconds = (row: Row): number => row.seconds;

/** Prints one layout: a line for each contender, then what was asked of the file system by kind. */
export function printTable(results: Results, layout: Layout): void {
  const { nodes, ranks } = layout;
  const { metadataUs, cacheSeconds } = results.server;
  const below = byRound(results, reference.name, layout, seconds);
  console.log(
    `\n${nodes} nodes x ${ranks} ranks, Node.js ${results.node}, ${results.program}, ${metadataUs} us a request, ` +
      `caches of ${cacheSeconds} s, ${results.rounds} rounds`,
  );
  line(
    '',
    'seconds',
    '',
    '',
    `/ ${reference.name}`,
    'requests: root',
    '',
    'all others',
    '',
    'read',
    'a node',
    'busy',
  );
  line('', 'median', 'min', 'max', 'median', 'boot', 'after', 'boot', 'after', 'MiB', 'MiB', '%');
  for (const name of Object.keys(results.contenders)) {
    const rows = rowsOf(results, name, layout);
    if (rows.length === 0) continue;
    const time = of(rows, seconds);
    const middle = (pick: (row: Row) => number): string => median(of(rows, pick)).toFixed(0);
    line(
      name,
      median(time).toFixed(2),
      Math.min(...time).toFixed(2),
      Math.max(...time).toFixed(2),
      ratio(byRound(results, name, layout, seconds), below)?.median.toFixed(2) ?? '',
      middle((row) => requestCount(row.root.boot)),
      middle((row) => requestCount(row.root.after)),
      middle((row) => requestCount(row.others.boot)),
      middle((row) => requestCount(row.others.after)),
      middle((row) => bytesOf(row) / 2 ** 20),
      middle((row) => row.nodeMiB),
      middle((row) => row.busy * 100),
    );
  }
  console.log('time by phase, seconds, of the last rank in the median round');
  for (const name of Object.keys(results.contenders)) {
    const row = medianRow(rowsOf(results, name, layout));
    if (row) console.log(`  ${name.padEnd(16)} ${pairs(row.phases, 2)}`);
  }
  console.log('requests by kind, all ranks');
  for (const name of Object.keys(results.contenders)) {
    const [row] = rowsOf(results, name, layout);
    if (!row) continue;
    const { root, others } = row;
    const parts = [root.boot, root.after, others.boot, others.after];
    const total = Object.fromEntries(
      kinds.map((kind) => [kind, parts.reduce((sum, counts) => sum + counts[kind], 0)]),
    );
    console.log(`  ${name.padEnd(16)} ${pairs(total, 0)}`);
  }
}

/** Prints what the project promises of these numbers, where they were measured. */
export function printBars(results: Results): void {
  const most = { nodes: 4, ranks: 4 };
  const against = (name: string, pick: (row: Row) => number) =>
    ratio(byRound(results, name, most, pick), byRound(results, reference.name, most, pick))?.median;
  const floor = (name: string) =>
    ratio(byRound(results, name, most, seconds), byRound(results, 'nothing', most, seconds))
      ?.median;
  const packed = rowsOf(results, reference.name, most);
  const prestaged = rowsOf(results, 'walla prestaged', most);
  const perNode = [4, 2, 1].find(
    (ranks) => rowsOf(results, reference.name, { nodes: 8, ranks }).length > 0,
  );
  const grown = (pick: (row: Row) => number) =>
    ratio(
      byRound(results, reference.name, { nodes: 8, ranks: perNode ?? 1 }, pick),
      byRound(results, reference.name, { nodes: 1, ranks: perNode ?? 1 }, pick),
    )?.median;
  console.log('\nbars (4 nodes x 4 ranks)');
  bar('plain / walla packed', against('plain', seconds), '>= 20');
  bar('the same, adjusted', against('plain', adjustedSeconds), '');
  bar('plain / nothing: no contender can have more', floor('plain'), '');
  bar('walla packed / nothing', floor(reference.name), '');
  bar('plain, waiting for the server alone / walla packed', waiting(results, most), '');
  bar('tar broadcast / walla packed', against('tar broadcast', seconds), '>= 1.8');
  bar('requests after boot, most of a rank other than root', largest(packed, 'after'), '0');
  for (const path of new Set(packed.flatMap((row) => row.otherMostPaths.after)))
    console.log(`    ${path}`);
  bar('requests during boot, most of a rank other than root', largest(packed, 'boot'), '<= 12');
  bar('the same, mean of the ranks other than root', meanBoot(packed, most), '<= 12');
  bar('most of a rank, prestaged', largest(prestaged, 'boot'), '0 beside the entry');
  bar('walla packed at 8 nodes / 1 node, adjusted', grown(adjustedSeconds), '<= 1.3');
  bar('the same, as measured', grown(seconds), `${results.machine.cores} processors`);
}

/** What plain would take where processors cost nothing and the server were busy all the time, against walla as it was. */
function waiting(results: Results, layout: Layout): number | undefined {
  const { metadataUs = 0, readUs = 0 } = results.server;
  const serverSeconds = ({ root, others }: Row): number =>
    [root.boot, root.after, others.boot, others.after].reduce((total, counts) => {
      const transfers = counts.read + counts.write;
      const us = (requestCount(counts) - transfers) * metadataUs + transfers * readUs;
      return total + us / 1e6;
    }, 0);
  const below = byRound(results, reference.name, layout, seconds);
  return ratio(byRound(results, 'plain', layout, serverSeconds), below)?.median;
}

/** Says which jobs came to no result, and who was left out; each has been said in full when it happened. */
export function printFailures({ failures, left }: Results): void {
  const first = (why: string): string => why.split('\n')[0] ?? '';
  for (const { contender, nodes, ranks, round, why } of failures)
    console.log(
      `failed: ${contender}, ${nodes} nodes x ${ranks} ranks, round ${round + 1}: ${first(why)}`,
    );
  for (const [name, why] of Object.entries(left)) console.log(`left out: ${name}: ${first(why)}`);
}

function bar(what: string, value: number | undefined, wanted: string): void {
  const shown = value === undefined ? 'not measured' : String(Math.round(value * 100) / 100);
  console.log(`  ${what.padEnd(54)} ${shown.padStart(12)}   (${wanted})`);
}

function largest(rows: Row[], when: 'boot' | 'after'): number | undefined {
  return rows.length === 0 ? undefined : Math.max(...rows.map(({ otherMost }) => otherMost[when]));
}

function meanBoot(rows: Row[], { nodes, ranks }: Layout): number | undefined {
  if (rows.length === 0) return undefined;
  return median(of(rows, ({ others }) => requestCount(others.boot) / (nodes * ranks - 1)));
}

/** The round whose time is the median, or the one before it. */
export function medianRow(rows: Row[]): Row | undefined {
  return [...rows].sort((a, b) => a.seconds - b.seconds)[(rows.length - 1) >> 1];
}

function bytesOf({ root, others }: Row): number {
  return root.boot.bytes + root.after.bytes + others.boot.bytes + others.after.bytes;
}

function pairs(values: object, digits: number): string {
  return Object.entries(values as Record<string, number>)
    .map(([name, value]) => `${name} ${value.toFixed(digits).padStart(5)}`)
    .join('  ');
}

function line(name: string, ...cells: string[]): void {
  console.log(`  ${name.padEnd(16)} ${cells.map((cell) => cell.padStart(10)).join(' ')}`);
}
