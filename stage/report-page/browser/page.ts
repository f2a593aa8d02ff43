/** Entry of the page's script: draws the report from the data in the page. */
import type { PageData } from '../page-data.ts';
import { missSection } from './misses.ts';
import { heading, summary } from './summary.ts';
import { phaseSection, timelineSection } from './timeline.ts';
import { treeSection } from './tree-map.ts';
import { moduleSection } from './waterfall.ts';

const data = JSON.parse(document.getElementById('data')?.textContent ?? '') as PageData;
const misses = missSection(data);
const hasMisses = data.missCount > 0;
document.getElementById('report')?.append(
  heading(data),
  summary(data),
  // Where there is something to do, it comes first.
  ...(hasMisses ? [misses] : []),
  phaseSection(data),
  timelineSection(data),
  moduleSection(data),
  ...(hasMisses ? [] : [misses]),
  treeSection(data),
);
