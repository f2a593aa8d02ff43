/** Where package managers write down what they installed: npm, Yarn, pnpm, Bun. */
const NAMES = new Set([
  'package-lock.json',
  'npm-shrinkwrap.json',
  'yarn.lock',
  'pnpm-lock.yaml',
  'bun.lock',
  'bun.lockb',
  // These stand in node_modules.
  '.modules.yaml',
  '.package-lock.json',
  '.yarn-integrity',
  '.yarn-state.yml',
]);

/** The same names as in native/src/freshness.cpp. */
export function isLockFile(name: string): boolean {
  return NAMES.has(name);
}
