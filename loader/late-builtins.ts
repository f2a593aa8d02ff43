/**
 * Patches to built-in modules that most programs never load: made when the program first asks for the
 * module, so that nobody else pays for loading it.
 */
import fs from 'node:fs';
import { patch } from './node-internals.ts';

type Exports = Record<string, unknown>;
type Patch = (exports: Exports) => void;

/** Where Node.js keeps what it exports under another name. */
const INTERNAL: Record<string, string> = { 'fs/promises': 'internal/fs/promises' };

export class LateBuiltins {
  /** By the names a program can use: with and without `node:`. */
  readonly #patches = new Map<string, Patch[]>();
  readonly #load = process.getBuiltinModule.bind(process);

  constructor() {
    patch(process, 'getBuiltinModule', (original) => {
      const asked = this.asked.bind(this);
      return function (...args) {
        asked(args[0]);
        return original.apply(this, args as never);
      };
    });
    promisesOnDemand(this);
  }

  /** @param make is called once, at once if Node.js has loaded the module already */
  when(name: string, make: Patch): void {
    const known = this.#patches.get(name);
    if (known) known.push(make);
    else if (isLoaded(INTERNAL[name] ?? name)) make(this.#load(name) as unknown as Exports);
    else {
      const patches = [make];
      this.#patches.set(name, patches);
      this.#patches.set(`node:${name}`, patches);
    }
  }

  /** To be told of every specifier before its module is loaded. */
  asked(specifier: unknown): void {
    const patches = this.#patches.get(specifier as string);
    if (patches !== undefined) this.#make(specifier as string, patches);
  }

  /** Makes all patches now: nobody will tell when a module is asked for. */
  all(): void {
    for (const [name, patches] of this.#patches)
      if (!name.startsWith('node:')) this.#make(name, patches);
  }

  #make(specifier: string, patches: readonly Patch[]): void {
    const name = specifier.replace(/^node:/, '');
    this.#patches.delete(name);
    this.#patches.delete(`node:${name}`);
    const exports = this.#load(name) as unknown as Exports;
    for (const make of patches) make(exports);
  }
}

function isLoaded(name: string): boolean {
  const { moduleLoadList } = process as unknown as { moduleLoadList: readonly string[] };
  return moduleLoadList.includes(`NativeModule ${name}`);
}

/** `fs.promises` is the module `fs/promises`, loaded at the first look. */
function promisesOnDemand(late: LateBuiltins): void {
  const property = Object.getOwnPropertyDescriptor(fs, 'promises');
  const getter: (() => unknown) | undefined = property?.get?.bind(fs);
  if (!getter) return;
  Object.defineProperty(fs, 'promises', {
    ...property,
    get() {
      late.asked('fs/promises');
      return getter();
    },
  });
}
