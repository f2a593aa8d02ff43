import { constants as osConstants } from 'node:os';
import { wholePackage } from '../native/addon-path.ts';
import { launcherVariables } from '../native/launcher.ts';
import { WallaError, type WallaErrorCode } from './errors.ts';
import { resolutionRules, ruleFlags, userConditions } from './resolution-rules.ts';

/**
 * Packs in a child process, which keeps the packer's libraries out of the program, and without the
 * launcher's variables, so that nothing in it takes itself for a rank.
 * @throws WallaError what the packer ended with
 */
export function packInChild(entries: readonly string[], path: string): void {
  const env: NodeJS.ProcessEnv = { ...process.env };
  for (const name of launcherVariables(process.env)) Reflect.deleteProperty(env, name);
  delete env['NODE_OPTIONS'];
  const { conditions, preserveSymlinks } = resolutionRules();
  const flags = ruleFlags();
  if (preserveSymlinks) flags.push('--preserve-symlinks');
  // Loaded here alone: most jobs do not pack, and all would pay for it.
  const { spawnSync } = process.getBuiltinModule('node:child_process');
  const result = spawnSync(
    process.execPath,
    [
      ...flags,
      `${wholePackage()}/dist/cli.js`,
      'pack',
      '--quiet',
      '--json',
      ...userConditions(conditions).flatMap((condition) => ['--conditions', condition]),
      '-o',
      path,
      ...entries,
    ],
    { env, stdio: ['ignore', 'pipe', 'pipe'], encoding: 'utf8', maxBuffer: 64 * 1024 * 1024 },
  );
  if (result.status === 0) return;
  throw packFailure(result.stderr, result.status, result.signal, result.error);
}

/** The packer's own error, read back from its two lines on stderr. */
function packFailure(
  stderr: string,
  status: number | null,
  signal: string | null,
  cause?: Error,
): WallaError {
  const told = /^walla: (?:\[[^\]]*\] )?(ERR_WALLA_\w+): (.*)\nhint: (.*)$/m.exec(stderr);
  if (told?.[1] && told[2] && told[3])
    return new WallaError(told[1] as WallaErrorCode, told[2], { hint: told[3] });
  const how = signal
    ? `was ended by ${signal} (${osConstants.signals[signal as NodeJS.Signals]})`
    : `ended with ${status}`;
  return new WallaError(
    'ERR_WALLA_PACK',
    `packing ${cause ? `could not start: ${cause.message}` : how}: ${stderr.trim().slice(-2000)}`,
  );
}
