import { join } from 'node:path';
import { build } from 'esbuild';
import { type Contender, PROBE_HERE } from './contender.ts';

/** Packages with native addons, which a bundler has to leave where they are. */
export const NATIVE_PACKAGES = ['sharp', '@napi-rs/canvas'];

/** esbuild: one file for all of JavaScript. */
export const bundle: Contender = {
  name: 'bundle',
  isolates:
    'one file made ahead by esbuild: no resolution left, but changed paths, and packages with native addons stay outside',
  prepare: async ({ node, entry, application }) => {
    const outfile = join(application, '.cache', 'bundle.mjs');
    await build({
      entryPoints: [entry],
      outfile,
      bundle: true,
      platform: 'node',
      target: 'node20',
      format: 'esm',
      external: NATIVE_PACKAGES,
      banner: {
        js: `import { createRequire as __make } from 'node:module'; const require = __make(import.meta.url);`,
      },
      logLevel: 'error',
    });
    return { command: [node.path, PROBE_HERE, outfile], cwd: application };
  },
};
