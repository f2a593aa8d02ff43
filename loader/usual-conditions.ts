/**
 * The conditions of `exports` and `imports` that the archive's answers are made for. A program's own hook may ask
 * under others: then Node.js answers.
 */

/** What Node.js asks for by itself: an archive is for a version and its flags (stage/resolution-rules.ts). */
const OF_NODE = new Set(['node', 'node-addons', 'module-sync', 'import', 'require', 'default']);

export class UsualConditions {
  readonly #ofUser: ReadonlySet<string>;
  /** Node.js gives the same object each time. */
  #lastUsual: Iterable<string> | undefined;

  /** @param ofUser those of --conditions, with which this process was started and the archive packed */
  constructor(ofUser: readonly string[]) {
    this.#ofUser = new Set(ofUser);
  }

  /** @param conditions undefined: Node.js's own */
  are(conditions: Iterable<string> | undefined): boolean {
    if (conditions === undefined || conditions === this.#lastUsual) return true;
    const all = new Set(conditions);
    const isUsual =
      all.has('node') &&
      (all.has('import') || all.has('require')) &&
      [...this.#ofUser].every((name) => all.has(name)) &&
      [...all].every((name) => OF_NODE.has(name) || this.#ofUser.has(name));
    if (isUsual) this.#lastUsual = conditions;
    return isUsual;
  }
}
