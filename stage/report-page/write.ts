/** Makes the files of `walla report`. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { packageDirectory } from '../../native/addon-path.ts';
import { WallaError } from '../errors.ts';
import { formatName } from '../format-name.ts';
import { listArchive } from '../pack/list.ts';
import { readReport } from '../report/read-report.ts';
import type { Report } from '../report/report.ts';
import { isArchiveUrl } from '../transport/archive-url.ts';
import { type ArchiveTree, archiveTree } from './archive-tree.ts';
import { type PageAssets, reportPage } from './html.ts';
import { learnCommand } from './learn-command.ts';
import { pageData } from './page-data.ts';
import { chromeTrace } from './trace.ts';

export interface ReportOutputs {
  /** Page to write; default: beside the report, unless it is only to be printed. */
  output?: string;
  /** Trace to write. */
  trace?: string;
  /** The caller prints the report. */
  json?: boolean;
}

/**
 * @param file path of a report
 * @returns the report, and the names of what was written
 * @throws WallaError ERR_WALLA_REPORT when the report cannot be read or the page not be written
 */
export async function writeReport(
  file: string,
  { output, trace, json }: ReportOutputs,
): Promise<{ report: Report; written: string[] }> {
  const report = readReport(file);
  const written: string[] = [];
  const page = output ?? (json ? undefined : `${file.replace(/\.json$/, '')}.html`);
  if (page !== undefined) {
    const command = learnCommand(report, resolve(file));
    const data = pageData(report, resolve(file), command, await treeOf(report));
    write(page, reportPage(data, pageAssets()));
    written.push(page);
  }
  if (trace !== undefined) {
    write(trace, `${JSON.stringify(chromeTrace(report))}\n`);
    written.push(trace);
  }
  return { report, written };
}

function write(file: string, text: string): void {
  try {
    writeFileSync(file, text);
  } catch (error) {
    throw new WallaError('ERR_WALLA_REPORT', `cannot write ${file}: ${(error as Error).message}`, {
      cause: error,
      hint: 'choose a file that you can write: walla report FILE -o PAGE',
    });
  }
}

/** What the page is made of, bundled at build. */
export function pageAssets(): PageAssets {
  const read = (name: string): string =>
    readFileSync(join(packageDirectory(), 'dist', name), 'utf8').trim();
  return { script: read('report-page.js'), style: read('report-page.css') };
}

/** The archive as it is now, if it is still the one that was run; otherwise why not. */
async function treeOf({ archive, identity }: Report): Promise<ArchiveTree | string> {
  const name = formatName(archive);
  if (isArchiveUrl(archive)) return `The archive is at ${name}: only one in a file is shown.`;
  try {
    const { manifest, entries } = await listArchive(archive);
    if (manifest.sha256 !== identity)
      return `The archive ${name} has been packed again since this run.`;
    const files = entries.filter(({ type }) => type === 'file');
    return archiveTree(archive.split('/').at(-1) ?? archive, files);
  } catch (error) {
    return `The archive cannot be read any more: ${(error as Error).message}`;
  }
}
