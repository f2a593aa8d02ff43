import type { ImportAnswers } from './import-answers.ts';
import type { SyncHooks } from './node-internals.ts';

/** Who is told of what the archive could not answer; nobody, unless the run keeps a report. */
export interface Misses {
  /**
   * Node.js is about to answer a question that the archive left open.
   * @param kind KIND_IMPORT or KIND_REQUIRE
   * @param parent absolute path of the asking file
   * @param answer asks Node.js; what it returns or throws goes on to the program
   */
  resolving<T>(kind: number, specifier: string, parent: string, answer: () => T): T;
  /** The program is about to read a file that is not packed. */
  reading(path: string): void;
  /** Hooks that do the same, and are timed where the report is to say which modules cost what. */
  timing(hooks: SyncHooks): SyncHooks;
  /** The same for Node.js 20, which has no such hooks: notes what is asked for. */
  watching(answers: ImportAnswers): ImportAnswers;
}
