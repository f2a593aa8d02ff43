/**
 * Entry of dist/probe.cjs: `node -r probe.cjs WORDS` says what `node WORDS` is about to run, and ends before it does.
 * Which of the words is the program, and by what rules it resolves names, Node.js alone knows.
 */
import { writeSync } from 'node:fs';
import { defaultArchivePath } from '../archive-path.ts';
import { WallaError } from '../errors.ts';
import { givenEntry, resolveEntry } from '../program-entry.ts';
import { resolutionRules, ruleFlags, userConditions } from '../resolution-rules.ts';

export interface Probed {
  /** Absolute path of the program as given; undefined where there is none. */
  entry: string | undefined;
  /** Where its archive is, if none is named. */
  archive: string | undefined;
  /** Absolute path of the Node.js. */
  node: string;
  /** Flags and conditions that a packer for this program needs. */
  flags: string[];
  conditions: string[];
}

try {
  const entry = givenEntry();
  const { conditions, preserveSymlinks } = resolutionRules();
  const probed: Probed = {
    entry,
    archive: entry === undefined ? undefined : defaultArchivePath(resolveEntry(entry)),
    node: process.execPath,
    flags: [...ruleFlags(), ...(preserveSymlinks ? ['--preserve-symlinks'] : [])],
    conditions: userConditions(conditions),
  };
  writeSync(1, `${JSON.stringify(probed)}\n`);
  process.exit(0);
} catch (error) {
  writeSync(2, WallaError.from(error).report());
  process.exit(1);
}
