import { dirname } from 'node:path';
import { modulesDirectoryOf, projectOf } from './record-scope.ts';

/** What a machine has of its own: another node's file of the same name is another file. */
const OF_MACHINE = /^\/(?:bin|boot|dev|etc|lib\w*|proc|run|sbin|sys|tmp|usr|var)(?:\/|$)/;

/**
 * How far a program reaches: the projects of its entries, and the packages that its modules come from, wherever
 * they are. What its code names elsewhere belongs to the machine that runs it.
 */
export class ProgramExtent {
  readonly #homes: Set<string>;
  readonly #visited = new Set<string>();

  /** @param projects absolute directories that the entries belong to */
  constructor(projects: string[]) {
    this.#homes = new Set(projects);
  }

  /** @param path real path of a module that the program loads by a name of its own */
  addModule(path: string): void {
    const directory = dirname(path);
    if (this.#visited.has(directory)) return;
    this.#visited.add(directory);
    if (!this.holds(path)) this.#homes.add(modulesDirectoryOf(directory) ?? projectOf(directory));
  }

  holds(path: string): boolean {
    for (const home of this.#homes) {
      // A program that lies in `/` shares it with the system.
      if (home === '/' ? !OF_MACHINE.test(path) : path.startsWith(`${home}/`)) return true;
    }
    return false;
  }

  /** Whether a path names what the program does not hold and each machine has of its own. */
  isOfMachine(path: string): boolean {
    return OF_MACHINE.test(path) && !this.holds(path);
  }
}
