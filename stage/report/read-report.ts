/** Reads a report for the command line. */
import { readFileSync, statSync } from 'node:fs';
import { WallaError } from '../errors.ts';
import { isReport, readParts } from './report-files.ts';
import { partsDirectory, type Report, REPORT_FORMAT } from './report.ts';

/**
 * @param file the report; its parts are read where they are there, since ranks that ended late are in them alone
 * @throws WallaError ERR_WALLA_REPORT when it is missing or no report
 */
export function readReport(file: string): Report {
  let report: unknown;
  try {
    report = isDirectory(partsDirectory(file))
      ? readParts(file)
      : JSON.parse(readFileSync(file, 'utf8'));
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new WallaError('ERR_WALLA_REPORT', `cannot read the report ${file}: ${reason}`, {
      cause: error,
    });
  }
  if (isReport(report)) return report;
  const { format } = (report ?? {}) as { format?: unknown };
  const other =
    typeof format === 'string' ? `: it is of format ${format}, not ${REPORT_FORMAT}` : '';
  throw new WallaError('ERR_WALLA_REPORT', `${file} is no report of this version of walla${other}`);
}

function isDirectory(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() === true;
}
