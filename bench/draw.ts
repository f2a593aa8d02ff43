import { parse, View } from 'vega';
import { compile, type TopLevelSpec } from 'vega-lite';

/** Text and lines that can be read on light and dark pages; the page's own background shows through. */
const STYLE = `<style>
text { fill: #24292f; }
.role-axis-grid line, .role-axis-tick line, .role-axis-domain line { stroke: #8c959f; }
@media (prefers-color-scheme: dark) { text { fill: #e6edf3; } }
</style>`;

/** @returns the chart as SVG text */
export async function draw(chart: TopLevelSpec): Promise<string> {
  const view = new View(parse(compile(chart).spec), { renderer: 'none' });
  const svg = await view.toSVG();
  return `${svg.replace(/(<svg[^>]*>)/, `$1${STYLE}`)}\n`;
}
