import { statSync } from 'node:fs';
import { dirname } from 'node:path';
import { WallaError } from '../errors.ts';
import { readReport } from '../report/read-report.ts';
import type { Recorded } from './record.ts';

export interface Learnt extends Recorded {
  /** Absolute paths that the program read or loaded and that are no files any more. */
  vanished: string[];
}

/**
 * What a run with WALLA_REPORT missed, as far as an archive can hold it: names, and files below the archive's root.
 * @param file the report; its parts are read where they are there, since ranks that ended late are in them alone
 * @param programs absolute real paths of the entries to pack
 * @throws WallaError ERR_WALLA_REPORT when it is missing, no report, or of other programs
 */
export function learn(file: string, programs: readonly string[]): Learnt {
  const report = readReport(file);
  if (!report.programs.some((program) => programs.includes(program)))
    throw new WallaError(
      'ERR_WALLA_REPORT',
      `${file} is of ${report.programs.join(', ')}, not of ${programs.join(', ')}`,
    );
  const { root } = report;
  const isBelow = (path: string): boolean => path.startsWith(root === '/' ? root : `${root}/`);
  const learnt: Learnt = { questions: [], files: [], vanished: [] };
  for (const miss of report.misses) {
    const path = miss.kind === 'read' ? miss.path : miss.resolved;
    if (path !== undefined && !isBelow(path)) continue;
    if (path !== undefined && !isFile(path)) learnt.vanished.push(path);
    else if (miss.kind === 'read') learnt.files.push(miss.path);
    else if (isBelow(miss.parent))
      learnt.questions.push({
        kind: miss.kind,
        parent: miss.parent,
        specifier: miss.specifier,
        within: root,
      });
  }
  learnt.vanished = [...new Set(learnt.vanished)].sort();
  return learnt;
}

/** Adds what was learnt to what earlier runs showed. */
export function addLearnt(known: Recorded, { questions, files }: Recorded): Recorded {
  const all = new Map(
    [...known.questions, ...questions].map((question) => [
      `${question.kind} ${dirname(question.parent)}\0${question.specifier}`,
      question,
    ]),
  );
  const inOrder = [...all].sort(([a], [b]) => (a < b ? -1 : 1));
  return {
    questions: inOrder.map(([, question]) => question),
    files: [...new Set([...known.files, ...files])].sort(),
  };
}

function isFile(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isFile() === true;
}
