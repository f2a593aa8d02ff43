/** node .ci/npm-ci.mjs DIRECTORY ...   installs what the lock files there ask for, unless it is there. */
import { npmCi, say } from './shared.mjs';

for (const directory of process.argv.slice(2)) {
  if (npmCi(directory)) continue;
  say(`error: npm ci failed in ${directory}; see above`);
  process.exit(1);
}
