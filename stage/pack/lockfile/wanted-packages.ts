/** Which packages of a lock file `npm ci` would install on this machine. Pure. */
import { WallaError } from '../../errors.ts';
import type { LockedPackage } from './lock-file.ts';

export interface Machine {
  os: string;
  cpu: string;
  /** `glibc`, `musl`, or empty where neither is known. */
  libc: string;
}

/** Kinds of dependencies to leave out. */
export type Omitted = ReadonlySet<string>;

/**
 * Leaves out what is for other machines, with what only that needs, and what the user omits.
 * @throws WallaError ERR_WALLA_PLATFORM for a package that is not optional and does not run here
 */
export function wantedPackages(
  packages: LockedPackage[],
  machine: Machine,
  omit: Omitted,
): LockedPackage[] {
  const graph = new Graph(packages);
  const left = new Set<LockedPackage>();
  for (const one of packages) {
    if (isOmitted(one, omit)) left.add(one);
    else if (!runsHere(one, machine)) {
      if (!one.optional)
        throw new WallaError(
          'ERR_WALLA_PLATFORM',
          `${one.name}@${one.version} is for ${[...one.os, ...one.cpu, ...one.libc].join(' ')}, ` +
            `this is ${machine.os} ${machine.cpu} ${machine.libc}`.trimEnd(),
          { hint: 'pack on the machine type the job runs on' },
        );
      for (const other of graph.optionalSet(one)) left.add(other);
    }
  }
  // What is in the tarball of a package goes with it.
  return packages.filter((one) => !left.has(one) && !hasAncestor(one, left));
}

function hasAncestor(one: LockedPackage, left: Set<LockedPackage>): boolean {
  for (const other of left) if (one.location.startsWith(`${other.location}/`)) return true;
  return false;
}

/** npm's `shouldOmit`: what several kinds need stays until all of them are left out. */
function isOmitted({ dev, optional, peer, devOptional }: LockedPackage, omit: Omitted): boolean {
  return (
    (dev && omit.has('dev')) ||
    (optional && omit.has('optional')) ||
    (peer && omit.has('peer')) ||
    (devOptional && omit.has('dev') && omit.has('optional'))
  );
}

function runsHere({ os, cpu, libc }: LockedPackage, machine: Machine): boolean {
  return (
    matches(machine.os, os) &&
    matches(machine.cpu, cpu) &&
    (libc.length === 0 || (machine.libc !== '' && matches(machine.libc, libc)))
  );
}

/** The rule of package.json's `os`, `cpu` and `libc`: none of those with `!`, one of the others if any. */
function matches(value: string, list: string[]): boolean {
  if (list.length === 0 || (list.length === 1 && list[0] === 'any')) return true;
  if (list.includes(`!${value}`)) return false;
  return list.includes(value) || list.every((entry) => entry.startsWith('!'));
}

/** Who needs whom: each name is looked up from its package's own place, as Node.js does. */
class Graph {
  readonly #byLocation: Map<string, LockedPackage>;
  readonly #edges: { from: LockedPackage; to: LockedPackage; optional: boolean }[] = [];

  constructor(packages: LockedPackage[]) {
    this.#byLocation = new Map(packages.map((one) => [one.location, one]));
    for (const from of packages) {
      const { dependencies, optionalDependencies, peerDependencies } = from;
      const optionalNames = new Set(optionalDependencies);
      for (const name of new Set([...dependencies, ...optionalDependencies, ...peerDependencies])) {
        const to = this.#find(from.location, name);
        if (to !== undefined) this.#edges.push({ from, to, optional: optionalNames.has(name) });
      }
    }
  }

  /**
   * What goes when an optional package goes: those that cannot do without it up to where they are optional
   * themselves, and what only these need. After `optional-set.js` and `gather-dep-set.js` of @npmcli/arborist.
   */
  optionalSet(start: LockedPackage): Set<LockedPackage> {
    const set = new Set([start]);
    for (const one of set)
      for (const { from } of this.#edges.filter(({ to, optional }) => to === one && !optional))
        set.add(from);
    const deps = new Set(set);
    for (const one of deps)
      for (const { to } of this.#edges.filter(({ from }) => from === one)) deps.add(to);
    for (let changed = true; changed;) {
      changed = false;
      for (const dep of deps) {
        if (set.has(dep)) continue;
        // The project itself needs what no edge leads to, and what is not optional stays.
        const stays =
          !dep.optional || this.#edges.some(({ from, to }) => to === dep && !deps.has(from));
        if (stays) changed = deps.delete(dep);
      }
    }
    return deps;
  }

  #find(location: string, name: string): LockedPackage | undefined {
    for (let at = location; ; at = at.slice(0, Math.max(0, at.lastIndexOf('/')))) {
      if (!at.endsWith('node_modules')) {
        const found = this.#byLocation.get(`${at === '' ? '' : `${at}/`}node_modules/${name}`);
        if (found !== undefined) return found;
      }
      if (at === '') return undefined;
    }
  }
}
