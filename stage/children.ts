/**
 * Child processes and workers share the stage: they find it in the environment, and never touch MPI.
 */
import { packageDirectory } from '../native/addon-path.ts';
import type { Attachment } from './attachment.ts';

const VARIABLE = 'WALLA_ATTACH';

type Environment = Record<string, string | undefined>;

/** What a parent left for this process; undefined when there is none, or it is not readable. */
export function inheritedAttachment(env: Environment): Attachment | undefined {
  const text = env[VARIABLE];
  if (!text) return undefined;
  try {
    return JSON.parse(text) as Attachment;
  } catch {
    return undefined;
  }
}

/**
 * Leaves the attachment for children. `fork`, `cluster` and `Worker` pass the --import or -r flag on by themselves;
 * NODE_OPTIONS reaches what does not: `spawn(process.execPath)` and workers with `execArgv: []`.
 */
export function shareWithChildren(attachment: Attachment, env: Environment): void {
  env[VARIABLE] = JSON.stringify(attachment);
  const preload = `${packageDirectory()}/dist/stage.cjs`;
  const quoted = /[\s"\\]/.test(preload) ? `"${preload.replace(/["\\]/g, '\\$&')}"` : preload;
  const flag = `--require=${quoted}`;
  const present = env['NODE_OPTIONS'];
  if (present?.includes(flag)) return;
  env['NODE_OPTIONS'] = present ? `${flag} ${present}` : flag;
}
