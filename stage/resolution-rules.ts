/**
 * What Node.js was told that changes how names resolve or what a file is: a table of resolutions is good
 * for one set of these.
 */
import { nodeWords, valuesOf } from '../loader/node-words.ts';

export interface ResolutionRules {
  /**
   * User conditions, and every other rule that is not the default, written as the flag or variable that
   * makes it so; sorted.
   */
  conditions: string[];
  preserveSymlinks: boolean;
}

interface Features {
  /** Absent where there is no such flag. */
  require_module?: boolean;
  typescript?: false | 'strip' | 'transform';
}

/** Flags whose state cannot be asked for in another way. They are equal on all lines of Node.js. */
const OTHER_FLAG =
  /^--(?:no-addons|no-experimental-detect-module|experimental-default-type=.*|no-global-search-paths)$/;

/** Flags that a resolver in another thread or process needs as they were given. */
const ANY_FLAG =
  /^--(?:no-)?(?:experimental-)?(?:addons|detect-module|require-module|strip-types|transform-types|global-search-paths|default-type=.*)$/;

/** The rules of this process: of its command line, NODE_OPTIONS and environment. */
export function resolutionRules(
  execArgv: readonly string[] = process.execArgv,
  nodeOptions = process.env['NODE_OPTIONS'] ?? '',
): ResolutionRules {
  const words = nodeWords(execArgv, nodeOptions);
  const rules = [
    ...valuesOf(words, '-C', '--conditions'),
    ...words.filter((word) => OTHER_FLAG.test(word)),
  ];
  const { require_module, typescript } = process.features as Features;
  if (require_module === false) rules.push('--no-experimental-require-module');
  if (typescript === false) rules.push('--no-experimental-strip-types');
  if (typescript === 'transform') rules.push('--experimental-transform-types');
  const path = process.env['NODE_PATH'];
  if (path) rules.push(`NODE_PATH=${path}`);
  const preserveSymlinks =
    words.includes('--preserve-symlinks') || process.env['NODE_PRESERVE_SYMLINKS'] === '1';
  return { conditions: sorted(rules), preserveSymlinks };
}

/** Flags other than conditions to hand on, so that another thread or process goes by the same rules. */
export function ruleFlags(): string[] {
  return nodeWords().filter((word) => ANY_FLAG.test(word));
}

/** Of a set of rules, the conditions that `exports` and `imports` maps are asked with. */
export function userConditions(rules: readonly string[]): string[] {
  return rules.filter((rule) => !/^--|^NODE_PATH=/.test(rule));
}

export function sorted(rules: readonly string[]): string[] {
  return [...new Set(rules)].sort();
}
