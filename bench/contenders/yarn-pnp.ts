import { createHash } from 'node:crypto';
import {
  cpSync,
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { basename, join } from 'node:path';
import { packageRoot } from '../../test/run-node.ts';
import { type Contender, failure, PROBE_HERE } from './contender.ts';

const YARN = '@yarnpkg/cli-dist@4.18.1';

/** Yarn's Plug'n'Play: packages as zip files, and a table of where each is. */
export const yarnPnp: Contender = {
  name: 'yarn pnp',
  isolates:
    "packages as zip files and a table of where they are: fewer files and no search for packages, but Node.js's own steps within a package, in JavaScript, on every rank",
  prepare: ({ node, entry, application, shared }) => {
    const description = readFileSync(join(application, 'package.json'));
    const digest = createHash('sha256').update(description).digest('hex').slice(0, 16);
    const kept = join(packageRoot, `.cache/bench/yarn-pnp-${digest}`);
    const why = existsSync(join(kept, '.pnp.cjs')) ? undefined : install(application, kept);
    if (why !== undefined) return Promise.resolve(why);
    const tree = join(shared, 'yarn-pnp');
    cpSync(kept, tree, { recursive: true, verbatimSymlinks: true });
    cpSync(entry, join(tree, basename(entry)));
    const loader = ['-r', './.pnp.cjs', '--experimental-loader', './.pnp.loader.mjs'];
    return Promise.resolve({
      command: [node.path, '--no-warnings', ...loader, PROBE_HERE, basename(entry)],
      cwd: tree,
    });
  },
};

/** Installs the application's dependencies by Yarn from the registry that npm uses; kept for the next time. */
function install(application: string, kept: string): string | undefined {
  const tree = `${kept}.new`;
  const tool = `${kept}.tool`;
  rmSync(tree, { recursive: true, force: true });
  mkdirSync(tree, { recursive: true });
  const { dependencies, overrides, ...rest } = JSON.parse(
    readFileSync(join(application, 'package.json'), 'utf8'),
  ) as { dependencies: Record<string, string>; overrides?: Record<string, string> };
  const registered = Object.fromEntries(
    Object.entries(dependencies).filter(([, version]) => !version.startsWith('file:')),
  );
  writeFileSync(
    join(tree, 'package.json'),
    JSON.stringify({ ...rest, dependencies: registered, resolutions: overrides }),
  );
  // Ends Yarn's search for a project in the directories above.
  writeFileSync(join(tree, 'yarn.lock'), '');
  const npm = ['install', '--no-audit', '--no-fund', '--loglevel=error', '--prefix', tool, YARN];
  const yarn = join(tool, 'node_modules/@yarnpkg/cli-dist/bin/yarn.js');
  const script = `
    YARN_NPM_REGISTRY_SERVER=$(npm config get registry | sed 's,/$,,') YARN_UNSAFE_HTTP_WHITELIST='*' \\
    YARN_ENABLE_TELEMETRY=0 YARN_ENABLE_GLOBAL_CACHE=false YARN_ENABLE_IMMUTABLE_INSTALLS=false \\
    exec "$0" "$1" install`;
  const why =
    failure('npm', npm) ?? failure('sh', ['-c', script, process.execPath, yarn], { cwd: tree });
  rmSync(tool, { recursive: true, force: true });
  if (why === undefined) renameSync(tree, kept);
  else rmSync(tree, { recursive: true, force: true });
  return why;
}
